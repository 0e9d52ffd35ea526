import { afterAll, beforeAll, expect, test } from 'vitest'
import { PASSWORD, startAuth, type TestAuth } from '../../../test/support.ts'

let it: TestAuth
beforeAll(async () => {
  it = await startAuth()
})
afterAll(() => it.close())

const create = async (email: string, password?: string) =>
  it.runtime.as(() => it.auth.createAdministrator({ email, password }), { type: 'cli', id: 'root' })
const made = async (email: string, password?: string) => {
  const result = await create(email, password)
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  return result.value
}

test('a new administrator is verified, active, and holds every permission', async () => {
  const { userId, created, setupToken } = await made('Root@example.test', PASSWORD)
  expect([created, setupToken]).toEqual([true, undefined])
  const answer = await it.post('/auth/login', { email: 'root@example.test', password: PASSWORD })
  expect(answer.body.user).toMatchObject({ id: userId, roles: ['admin', 'user'] })
  expect(answer.body.user.emailVerifiedAt).not.toBeNull()
  expect(answer.body.user.permissions).toEqual(
    expect.arrayContaining(['audit:read', 'payments:refund', 'payments:read:any', 'roles:assign', 'system:operate']),
  )
  const told = it.published.filter(({ subject }) => subject === userId)
  expect(told.map(({ type, sequence }) => [type, sequence])).toEqual([
    ['user.registered.v1', 1],
    ['user.verified.v1', 2],
    ['user.updated.v1', 3],
  ])
  expect(told[0]?.actor).toBe('cli:root')
})

test('without a password a one-time token sets the first one', async () => {
  const { setupToken } = await made('setup@example.test')
  expect((await it.post('/auth/login', { email: 'setup@example.test', password: '' })).body.code).toBe(
    'credentials_invalid',
  )
  const refused = await it.post('/auth/password/reset', { token: setupToken, newPassword: 'short' })
  expect(refused.body).toMatchObject({
    code: 'password_refused',
    errors: [{ pointer: '/newPassword', code: 'too_short' }],
  })

  const reset = () => it.post('/auth/password/reset', { token: setupToken, newPassword: PASSWORD })
  const answers = await Promise.all([reset(), reset(), reset()])
  expect(answers.map(({ status }) => status).sort()).toEqual([204, 400, 400])
  await it.signIn('setup@example.test')
})

test('an existing account keeps its password, gets the role, and its sessions must refresh to hold it', async () => {
  const { id } = await it.signUp('promoted@example.test')
  const before = await it.signIn('promoted@example.test')
  const result = await made('promoted@example.test', 'another good password')
  expect(result).toEqual({ userId: id, created: false })

  const stale = await it.get('/auth/profile', before.accessToken)
  expect([stale.status, stale.body.code]).toEqual([401, 'access_token_stale'])
  const refreshed = (await it.post('/auth/refresh', { refreshToken: before.refreshToken })).body
  const { claims } = (await it.get('/auth/validate', refreshed.accessToken)).body
  expect(claims).toMatchObject({ sid: before.sessionId, roles: ['admin', 'user'], rv: 2 })
  expect(claims.permissions).toContain('users:write')
  expect((await it.get('/auth/profile', before.accessToken)).body.code).toBe('access_token_stale')
  await it.signIn('promoted@example.test')
  expect(
    (await it.post('/auth/login', { email: 'promoted@example.test', password: 'another good password' })).status,
  ).toBe(401)
})

test('asked for twice, nothing changes the second time', async () => {
  await made('twice@example.test', PASSWORD)
  const { accessToken } = await it.signIn('twice@example.test')
  const [before] = await it.sql('SELECT * FROM users WHERE email = $1', ['twice@example.test'])
  await made('twice@example.test')
  expect((await it.sql('SELECT * FROM users WHERE email = $1', ['twice@example.test']))[0]).toEqual(before)
  expect((await it.get('/auth/profile', accessToken)).status).toBe(200)
})

test('an address that somebody only claimed is taken from him', async () => {
  await it.post('/auth/register', { email: 'claimed@example.test', password: 'the claimant’s own', firstName: 'Eve' })
  const [link] = await it.mailedTokens('claimed@example.test')
  await made('claimed@example.test', PASSWORD)
  expect((await it.post('/auth/verify-email', { token: link })).body.code).toBe('token_invalid')
  expect((await it.post('/auth/login', { email: 'claimed@example.test', password: 'the claimant’s own' })).status).toBe(
    401,
  )
  const { body } = await it.post('/auth/login', { email: 'claimed@example.test', password: PASSWORD })
  expect(body.user).toMatchObject({ firstName: null, roles: ['admin', 'user'] })
})

test('refusals store nothing', async () => {
  expect(await create('not an address', PASSWORD)).toEqual({ ok: false, error: 'email_malformed' })
  expect(await create('weak@example.test', 'short')).toMatchObject({ ok: false, error: { code: 'password_refused' } })
  expect(await it.sql('SELECT FROM users WHERE email = $1', ['weak@example.test'])).toEqual([])
  await it.signUp('off@example.test')
  await it.sql('UPDATE users SET is_active = false WHERE email = $1', ['off@example.test'])
  expect(await create('off@example.test', PASSWORD)).toEqual({ ok: false, error: 'account_deactivated' })
  expect(
    await it.sql(`SELECT FROM user_roles r JOIN users u ON u.id = r.user_id WHERE u.email = $1 AND role = 'admin'`, [
      'off@example.test',
    ]),
  ).toEqual([])
})
