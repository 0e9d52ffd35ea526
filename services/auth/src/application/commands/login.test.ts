import { afterAll, beforeAll, expect, test } from 'vitest'
import { PASSWORD, startAuth, type TestAuth } from '../../../test/support.ts'
import type { EmailAddress } from '../../domain/email.ts'

let it: TestAuth
beforeAll(async () => {
  it = await startAuth()
})
afterAll(() => it.close())

const attempt = (email: string, password: string) => it.post('/auth/login', { email, password })
const sessionsOf = (email: string) =>
  it.sql('SELECT s.* FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email = $1', [email])
const failures = async (reason: string) =>
  (await it.events('user.login_failed')).filter((e) => e.data.reason === reason)

test('the right password opens a session with the account’s rights', async () => {
  const { id } = await it.signUp('ada@example.test')
  const answer = await it.call('POST', '/auth/login', {
    body: { email: ' ADA@Example.test ', password: PASSWORD },
    headers: { 'user-agent': 'looking-glass/1' },
  })
  expect(answer.status).toBe(200)
  expect(answer.body).toMatchObject({ tokenType: 'Bearer', expiresIn: 900, refreshExpiresIn: 30 * 86_400 })
  expect(answer.body.user).toMatchObject({ id, email: 'ada@example.test', roles: ['user'], permissions: [] })

  const [session] = await sessionsOf('ada@example.test')
  expect(session).toMatchObject({
    id: answer.body.sessionId,
    amr: ['pwd'],
    user_agent: 'looking-glass/1',
    ended_at: null,
  })
  const [told] = (await it.events('user.login')).filter(({ subject }) => subject === session?.id)
  expect(told).toMatchObject({
    actor: `user:${id}`,
    data: { userId: id, email: 'ada@example.test', sessionId: session?.id, userAgent: 'looking-glass/1' },
  })

  const profile = await it.get('/auth/profile', answer.body.accessToken)
  expect(profile).toMatchObject({ status: 200, body: answer.body.user })
})

test('the claims are those of the contract', async () => {
  const { id } = await it.signUp('claims@example.test')
  const { accessToken, sessionId } = await it.signIn('claims@example.test')
  const { body } = await it.get('/auth/validate', accessToken)
  const iat = Math.floor(it.clock.now().getTime() / 1000)
  expect(body).toEqual({
    valid: true,
    claims: {
      iss: 'http://localhost:3000',
      aud: 'ashlar',
      sub: id,
      sid: sessionId,
      jti: expect.any(String),
      iat,
      exp: iat + 900,
      auth_time: iat,
      roles: ['user'],
      permissions: [],
      email: 'claims@example.test',
      amr: ['pwd'],
      rv: 1,
      rr: 0,
    },
  })
  const header = JSON.parse(Buffer.from(accessToken.split('.')[0] ?? '', 'base64url').toString())
  const { keys } = (await it.get('/.well-known/jwks.json')).body
  expect(header).toEqual({ alg: 'ES256', typ: 'at+jwt', kid: keys[0].kid })
  expect(JSON.stringify(keys)).not.toContain('"d"')
})

test('tokens are in no row, event or log line', async () => {
  await it.signUp('nowhere@example.test')
  const { accessToken, refreshToken } = await it.signIn('nowhere@example.test')
  const rows = await it.sql('SELECT t.*, encode(token_hash, $1) AS text FROM refresh_tokens t', ['escape'])
  await it.events('user.login')
  const stored = JSON.stringify([rows, it.published, it.runtime.logs])
  expect(stored).not.toContain(refreshToken)
  expect(stored).not.toContain(accessToken)
})

test.each([
  ['a wrong password', 'known@example.test', 'not the password'],
  ['an empty password', 'known@example.test', ''],
  ['an unknown address', 'unknown@example.test', PASSWORD],
])('%s is refused alike, told of, and opens nothing', async (_, email, password) => {
  if ((await it.sql('SELECT FROM users WHERE email = $1', ['known@example.test'])).length === 0) {
    await it.signUp('known@example.test')
  }
  const before = (await failures('credentials_invalid')).length
  const answer = await attempt(email, password)
  expect([answer.status, answer.body.code]).toEqual([401, 'credentials_invalid'])
  expect(answer.body.detail).toBe((await attempt('another@example.test', 'x')).body.detail)

  const told = (await failures('credentials_invalid'))[before]
  expect(told).toMatchObject({ subject: told?.data.identifierHash, actor: expect.stringMatching(/^anonymous:/) })
  expect(told?.data.identifierHash).toMatch(/^[0-9a-f]{64}$/)
  expect(JSON.stringify(told)).not.toContain(email)
  expect(await sessionsOf(email)).toEqual([])
})

test('an unknown address costs a hash too', async () => {
  const spent = async (): Promise<number> => {
    const [metric] =
      (await it.runtime.metrics('auth').registry.getSingleMetric('hash_queue_wait_seconds')?.get())?.values.filter(
        (value) => 'metricName' in value && value.metricName === 'hash_queue_wait_seconds_count',
      ) ?? []
    return metric?.value ?? 0
  }
  await it.signUp('cost@example.test')
  for (const [email, password] of [
    ['cost@example.test', 'wrong'],
    ['cost@example.test', ''],
    ['cost-unknown@example.test', ''],
  ] as const) {
    const before = await spent()
    await attempt(email, password)
    expect((await spent()) - before).toBe(1)
  }
})

test('an unverified address is told of only to whoever knows the newest password', async () => {
  await it.post('/auth/register', { email: 'pending@example.test', password: 'the first password' })
  it.clock.advance(1_000)
  await it.post('/auth/register', { email: 'pending@example.test', password: 'the newest password' })
  const right = await attempt('pending@example.test', 'the newest password')
  expect([right.status, right.body.code]).toEqual([403, 'email_unverified'])
  expect((await attempt('pending@example.test', 'the first password')).body.code).toBe('credentials_invalid')
  expect((await failures('email_unverified')).length).toBe(1)
  expect(await sessionsOf('pending@example.test')).toEqual([])
})

test('deactivation is told of only after the right password', async () => {
  await it.signUp('gone@example.test')
  await it.sql('UPDATE users SET is_active = false WHERE email = $1', ['gone@example.test'])
  const right = await attempt('gone@example.test', PASSWORD)
  expect([right.status, right.body.code]).toEqual([403, 'account_deactivated'])
  expect((await attempt('gone@example.test', 'wrong')).body.code).toBe('credentials_invalid')
  expect((await failures('account_deactivated')).length).toBe(1)
  expect(await sessionsOf('gone@example.test')).toEqual([])
})

test('a password typed composed or decomposed is one password', async () => {
  await it.signUp('umlaut@example.test', 'schl\u00fcsselbund')
  await it.signIn('umlaut@example.test', 'schlu\u0308sselbund')
})

test('a store that is gone is answered 503, and found again', async () => {
  await it.signUp('outage@example.test')
  const restore = await it.database.outage()
  const down = await attempt('outage@example.test', PASSWORD)
  expect([down.status, down.body.code]).toEqual([503, 'dependency_unavailable'])
  expect(down.headers.get('retry-after')).not.toBeNull()
  await restore()
  await it.signIn('outage@example.test')
})

test('five wrong passwords from one network, then none is looked at; the owner elsewhere gets in', async () => {
  await it.signUp('attacked@example.test')
  const from = (ip: string, password: string) =>
    it.runtime.as(() =>
      it.auth.login({ email: 'attacked@example.test' as EmailAddress, password, ip, userAgent: null }),
    )
  const hashes = async () => {
    const metric = await it.runtime.metrics('auth').registry.getSingleMetric('hash_queue_wait_seconds')?.get()
    return metric?.values.find((value) => 'metricName' in value && /_count$/.test(String(value.metricName)))?.value ?? 0
  }
  const before = await hashes()
  const tries = await Promise.all(Array.from({ length: 40 }, () => from('192.0.2.9', 'a guess')))
  expect(tries.filter((result) => !result.ok && result.error === 'credentials_invalid')).toHaveLength(5)
  expect((await hashes()) - before).toBe(5)
  expect(await from('192.0.2.200', PASSWORD)).toEqual({
    ok: false,
    error: { code: 'rate_limited', retryAfterSeconds: 900 },
  })
  expect((await from('198.51.100.1', PASSWORD)).ok).toBe(true)

  // The same for an address that nobody has.
  const nobody = await Promise.all(Array.from({ length: 6 }, () => attempt('nobody-at-all@example.test', 'a guess')))
  expect(nobody.map(({ status }) => status).sort()).toEqual([401, 401, 401, 401, 401, 429])
  const refused = nobody.find(({ status }) => status === 429)
  expect(refused?.body.code).toBe('rate_limited')
  expect(refused?.headers.get('retry-after')).toBe('900')
})

test('with limits switched off nobody is throttled', async () => {
  const free = await startAuth({}, { database: it.database, limitsEnabled: false })
  const answers = await Promise.all(
    Array.from({ length: 12 }, () => free.post('/auth/login', { email: 'free@example.test', password: 'x' })),
  )
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]))
  await free.close()
})
