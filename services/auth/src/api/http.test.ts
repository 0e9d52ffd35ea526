import { afterAll, beforeAll, expect, test } from 'vitest'
import { PASSWORD, startAuth, type TestAuth } from '../../test/support.ts'

let it: TestAuth
beforeAll(async () => {
  it = await startAuth({ hashConcurrency: 1, hashQueueLength: 1 })
})
afterAll(() => it.close())

test('beyond the hash queue 503 comes at once, and says when to come back', async () => {
  // Each for an address of its own, so that none is stopped as a guess.
  const attempt = (i: number) => it.post('/auth/login', { email: `nobody${i}@example.test`, password: PASSWORD })
  const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => attempt(i)))
  const refused = answers.filter(({ status }) => status === 503)
  expect(refused.length).toBeGreaterThan(0)
  for (const { body, headers } of refused) {
    expect(body.code).toBe('overloaded')
    expect(headers.get('retry-after')).toMatch(/^\d+$/)
  }
  expect(answers.filter(({ status }) => status === 401).length).toBe(12 - refused.length)
  expect((await attempt(0)).status).toBe(401)
})

test('an overloaded registration stores nothing', async () => {
  const register = (i: number) => it.post('/auth/register', { email: `crowd${i}@example.test`, password: PASSWORD })
  const answers = await Promise.all(Array.from({ length: 12 }, (_, i) => register(i)))
  const accepted = answers.flatMap(({ status }, i) => (status === 202 ? [`crowd${i}@example.test`] : []))
  const rows = await it.sql<{ email: string }>(`SELECT email FROM users WHERE email LIKE 'crowd%'`)
  expect(rows.map(({ email }) => email).sort()).toEqual(accepted.sort())
  expect(accepted.length).toBeLessThan(12)
})

test('answers that carry secrets are not to be stored; the key set is', async () => {
  await it.signUp('ada@example.test')
  const login = await it.post('/auth/login', { email: 'ada@example.test', password: PASSWORD })
  expect(login.headers.get('cache-control')).toBe('no-store')
  expect((await it.get('/.well-known/jwks.json')).headers.get('cache-control')).toBe('public, max-age=30')
})

test.each([
  ['POST', '/auth/register'],
  ['POST', '/auth/verify-email'],
  ['POST', '/auth/verify-email/resend'],
  ['POST', '/auth/login'],
  ['POST', '/auth/refresh'],
  ['POST', '/auth/password/reset'],
])('%s %s without its body is answered 400', async (method, path) => {
  const answer = await it.call(method, path, { body: {} })
  expect([answer.status, answer.body.code]).toEqual([400, 'validation_failed'])
})

test.each(['/auth/profile', '/auth/validate', '/auth/sessions'])('GET %s needs a token', async (path) => {
  const answer = await it.get(path)
  expect([answer.status, answer.body.code]).toEqual([401, 'access_token_invalid'])
  expect((await it.get(path, 'not.a.token')).status).toBe(401)
})

test('a refresh token is no access token, and an access token no refresh token', async () => {
  const { accessToken, refreshToken } = await it.signIn('ada@example.test')
  expect((await it.get('/auth/profile', refreshToken)).status).toBe(401)
  const answer = await it.post('/auth/refresh', { refreshToken: accessToken })
  expect([answer.status, answer.body.code]).toEqual([401, 'refresh_token_invalid'])
  expect((await it.post('/auth/verify-email', { token: refreshToken })).body.code).toBe('token_invalid')
  expect((await it.post('/auth/password/reset', { token: refreshToken, newPassword: PASSWORD })).body.code).toBe(
    'token_invalid',
  )
})

test('the service is ready, documents every route, and counts what happened', async () => {
  expect((await it.get('/readyz')).status).toBe(200)
  const document = (await it.get('/openapi.json')).body
  expect(Object.keys(document.paths)).toEqual(expect.arrayContaining(['/auth/login', '/.well-known/jwks.json']))
  const metrics = await it.runtime.metrics('auth').registry.metrics()
  expect(metrics).toMatch(/auth_logins_total\{.*outcome="ok".*\} [1-9]/)
  expect(metrics).toMatch(/auth_logins_total\{.*outcome="overloaded".*\} [1-9]/)
})

test('two of them in one process know nothing of each other', async () => {
  const other = await startAuth()
  try {
    await other.signUp('ada@example.test', 'another password there')
    const { accessToken } = await other.signIn('ada@example.test', 'another password there')
    expect((await it.get('/auth/profile', accessToken)).status).toBe(401)
    expect((await other.get('/auth/profile', accessToken)).status).toBe(200)
  } finally {
    await other.close()
  }
})
