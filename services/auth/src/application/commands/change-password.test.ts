import { afterAll, beforeAll, expect, test } from 'vitest'
import { PASSWORD, startAuth, type TestAuth } from '../../../test/support.ts'

let it: TestAuth
beforeAll(async () => {
  it = await startAuth()
})
afterAll(() => it.close())

const NEW = 'another fine passphrase'
const change = (token: string, newPassword = NEW, currentPassword = PASSWORD) =>
  it.post('/auth/password/change', { currentPassword, newPassword }, token)
const outcome = ({ status, body }: { status: number; body?: { code?: string } }) => [status, body?.code]

test('the password changes, this session stays, every other one ends at once', async () => {
  const { id } = await it.signUp('ada@example.test')
  const [mine, other] = [await it.signIn('ada@example.test'), await it.signIn('ada@example.test')]
  expect((await change(mine.accessToken)).status).toBe(204)

  expect((await it.get('/auth/profile', mine.accessToken)).status).toBe(200)
  expect((await it.get('/auth/profile', other.accessToken)).status).toBe(401)
  expect(outcome(await it.post('/auth/refresh', { refreshToken: other.refreshToken }))).toEqual([
    401,
    'refresh_token_invalid',
  ])
  expect((await it.post('/auth/refresh', { refreshToken: mine.refreshToken })).status).toBe(200)
  expect(outcome(await it.post('/auth/login', { email: 'ada@example.test', password: PASSWORD }))).toEqual([
    401,
    'credentials_invalid',
  ])
  await it.signIn('ada@example.test', NEW)

  const [told] = (await it.events('user.password_changed')).filter(({ subject }) => subject === id)
  expect(told).toMatchObject({ actor: `user:${id}`, sequence: 3, data: { userId: id, email: 'ada@example.test' } })
  const ended = (await it.events('session.revoked')).filter(({ data }) => data.userId === id)
  expect(ended.map(({ data }) => [data.sessionId, data.reason])).toEqual([[other.sessionId, 'password_changed']])
})

test('links that could set another password die with the change', async () => {
  await it.signUp('links@example.test')
  await it.post('/auth/password/forgot', { email: 'links@example.test' })
  const [token] = await it.mailedTokens('links@example.test', 'password-reset')
  await change((await it.signIn('links@example.test')).accessToken)
  expect(outcome(await it.post('/auth/password/reset', { token, newPassword: 'a stolen passphrase' }))).toEqual([
    400,
    'token_invalid',
  ])
})

test('a wrong current password is refused, changes nothing, and counts like one at the login', async () => {
  await it.signUp('guess@example.test')
  const { accessToken } = await it.signIn('guess@example.test')
  for (let i = 0; i < 3; i++)
    expect(outcome(await change(accessToken, NEW, 'wrong'))).toEqual([401, 'credentials_invalid'])
  const guess = await it.post('/auth/login', { email: 'guess@example.test', password: 'wrong' })
  expect(outcome(guess)).toEqual([401, 'credentials_invalid'])
  expect(outcome(await change(accessToken, NEW, 'wrong'))).toEqual([401, 'credentials_invalid'])

  const refused = await change(accessToken)
  expect(outcome(refused)).toEqual([429, 'rate_limited'])
  expect(Number(refused.headers.get('retry-after'))).toBe(900)
  const login = await it.post('/auth/login', { email: 'guess@example.test', password: PASSWORD })
  expect(outcome(login)).toEqual([429, 'rate_limited'])
  // Whoever asks for a link instead is not kept out with his new password.
  await it.post('/auth/password/forgot', { email: 'guess@example.test' })
  const [token] = await it.mailedTokens('guess@example.test', 'password-reset')
  expect((await it.post('/auth/password/reset', { token, newPassword: NEW })).status).toBe(204)
  await it.signIn('guess@example.test', NEW)
})

test('a new password that must not be used is refused with its reasons, after the current one', async () => {
  await it.signUp('policy@example.test')
  const { accessToken } = await it.signIn('policy@example.test')
  const refused = await change(accessToken, 'policy-1')
  expect(refused.status).toBe(422)
  expect(refused.body).toMatchObject({
    code: 'password_refused',
    errors: [{ pointer: '/newPassword', code: 'contains_email' }],
  })
  expect(outcome(await change(accessToken, 'policy-1', 'wrong'))).toEqual([401, 'credentials_invalid'])
  await it.signIn('policy@example.test')
})

test('it needs somebody who has just signed in', async () => {
  await it.signUp('recent@example.test')
  const { accessToken } = await it.signIn('recent@example.test')
  it.clock.advance(10 * 60_000 - 1_000)
  expect((await change(accessToken)).status).toBe(204)
  it.clock.advance(2_000)
  expect(outcome(await change(accessToken, PASSWORD, NEW))).toEqual([403, 'reauthentication_required'])
  expect(outcome(await it.post('/auth/password/change', { currentPassword: 'x', newPassword: 'y' }))).toEqual([
    401,
    'access_token_invalid',
  ])
})

test('of several changes at once one counts, and the others are told', async () => {
  await it.signUp('race@example.test')
  const { accessToken } = await it.signIn('race@example.test')
  const answers = await Promise.all(Array.from({ length: 4 }, (_, i) => change(accessToken, `passphrase number ${i}`)))
  expect(answers.map(({ status }) => status).sort()).toEqual([204, 401, 401, 401])
  await it.signIn('race@example.test', `passphrase number ${answers.findIndex(({ status }) => status === 204)}`)
})
