import { createHash } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PASSWORD, startAuth, type TestAuth } from '../../../test/support.ts'

let it: TestAuth
beforeAll(async () => {
  it = await startAuth()
})
afterAll(() => it.close())

const NEW = 'an altogether new password'
const tokenFor = async (userId: string, token: string) => {
  const hash = createHash('sha256').update(token).digest()
  await it.sql(`INSERT INTO reset_tokens VALUES ($1, $2, $3, $3::timestamptz + interval '1 hour')`, [
    hash,
    userId,
    it.clock.now(),
  ])
  return token
}
const reset = (token: string, newPassword = NEW) => it.post('/auth/password/reset', { token, newPassword })

test('a reset sets the password and ends every session at once', async () => {
  const { id } = await it.signUp('ada@example.test')
  const sessions = [await it.signIn('ada@example.test'), await it.signIn('ada@example.test')]
  const [token, spare] = [await tokenFor(id, 'reset-1'), await tokenFor(id, 'reset-2')]
  expect((await reset(token)).status).toBe(204)

  for (const { accessToken, refreshToken } of sessions) {
    expect((await it.get('/auth/profile', accessToken)).body.code).toBe('access_token_invalid')
    expect((await it.post('/auth/refresh', { refreshToken })).body.code).toBe('refresh_token_invalid')
  }
  expect((await it.post('/auth/login', { email: 'ada@example.test', password: PASSWORD })).status).toBe(401)
  await it.signIn('ada@example.test', NEW)
  expect((await reset(spare)).body.code).toBe('token_invalid')

  const [told] = (await it.events('user.password_changed')).filter(({ subject }) => subject === id)
  expect(told).toMatchObject({ sequence: 3, actor: `user:${id}`, data: { email: 'ada@example.test' } })
  const reasons = (await it.events('session.revoked')).map(({ data }) => data.reason)
  expect(reasons).toEqual(['password_reset', 'password_reset'])
})

test('a refused password leaves the token, an expired token leaves the password', async () => {
  const { id } = await it.signUp('bob@example.test')
  const token = await tokenFor(id, 'reset-3')
  expect((await reset(token, 'bob@example.test')).body).toMatchObject({
    code: 'password_refused',
    errors: [{ code: 'contains_email' }],
  })
  await it.signIn('bob@example.test')
  it.clock.advance(3_600_000)
  expect((await reset(token)).body.code).toBe('token_invalid')
  await it.signIn('bob@example.test')
})

test('a login that was checked against the old password opens no session after the reset', async () => {
  const { id } = await it.signUp('race@example.test')
  const token = await tokenFor(id, 'reset-4')
  const answers = await Promise.all([
    reset(token),
    ...Array.from({ length: 10 }, () => it.post('/auth/login', { email: 'race@example.test', password: PASSWORD })),
  ])
  expect(answers[0]?.status).toBe(204)
  const alive = await it.sql('SELECT FROM sessions WHERE user_id = $1 AND ended_at IS NULL', [id])
  expect(alive).toEqual([])
})
