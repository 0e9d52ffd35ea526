import { afterAll, beforeAll, expect, test } from 'vitest'
import { PASSWORD, startAuth, type TestAuth } from '../../../test/support.ts'

let it: TestAuth
beforeAll(async () => {
  // Eight links of one address are more than the limits let through.
  it = await startAuth({}, { limitsEnabled: false })
})
afterAll(() => it.close())

const HOUR = 3_600_000
const register = (email: string, password = PASSWORD, firstName?: string) =>
  it.post('/auth/register', { email, password, firstName })
const verify = (token: unknown) => it.post('/auth/verify-email', { token })
const userOf = async (email: string) => (await it.sql('SELECT * FROM users WHERE email = $1', [email]))[0]

test('a link proves the address once', async () => {
  await register('once@example.test', PASSWORD, 'Ada')
  const [token] = await it.mailedTokens('once@example.test')
  const first = await verify(token)
  expect(first.status).toBe(200)
  expect(first.body.user).toMatchObject({ email: 'once@example.test', firstName: 'Ada', roles: ['user'] })
  expect(first.body.user.emailVerifiedAt).toBe(it.clock.now().toISOString())

  const second = await verify(token)
  expect([second.status, second.body.code]).toEqual([400, 'token_invalid'])
  const user = await userOf('once@example.test')
  expect(user).toMatchObject({ version: 2, email_verified_at: it.clock.now() })
  const told = (await it.events('user.verified')).filter(({ subject }) => subject === user?.id)
  expect(told.map(({ sequence, data }) => [sequence, data.firstName])).toEqual([[2, 'Ada']])
})

test('of twenty uses of one link at once, one succeeds', async () => {
  await register('twenty@example.test')
  const [token] = await it.mailedTokens('twenty@example.test')
  const answers = await Promise.all(Array.from({ length: 20 }, () => verify(token)))
  expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(19).fill(400)])
  expect((await userOf('twenty@example.test'))?.version).toBe(2)
})

test('the link that is used decides; the stranger who registered before has nothing', async () => {
  await register('victim@example.test', 'password of the stranger', 'Eve')
  await register('victim@example.test', 'password of the owner', 'Victoria')
  const [strangers, owners] = await it.mailedTokens('victim@example.test')
  expect((await verify(owners)).body.user).toMatchObject({ firstName: 'Victoria' })

  expect((await verify(strangers)).body.code).toBe('token_invalid')
  const asStranger = await it.post('/auth/login', {
    email: 'victim@example.test',
    password: 'password of the stranger',
  })
  expect(asStranger.body.code).toBe('credentials_invalid')
  await it.signIn('victim@example.test', 'password of the owner')
  expect(
    await it.sql('SELECT FROM registrations WHERE user_id = $1', [(await userOf('victim@example.test'))?.id]),
  ).toEqual([])
})

test('different links of one address used at once: one decides, without a deadlock', async () => {
  for (let i = 0; i < 8; i++) await register('many@example.test', `password number ${i}`, `Name${i}`)
  const tokens = await it.mailedTokens('many@example.test')
  const answers = await Promise.all(tokens.map(verify))
  expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(400)])
  const winner = answers.findIndex(({ status }) => status === 200)
  expect((await userOf('many@example.test'))?.first_name).toBe(`Name${winner}`)
  await it.signIn('many@example.test', `password number ${winner}`)
})

test('a link is dead after a day, and a new one can be asked for', async () => {
  await register('late@example.test', 'the late password')
  const [old] = await it.mailedTokens('late@example.test')
  it.clock.advance(24 * HOUR)
  expect((await verify(old)).body.code).toBe('token_invalid')
  expect((await userOf('late@example.test'))?.email_verified_at).toBeNull()

  expect((await it.post('/auth/verify-email/resend', { email: 'late@example.test' })).status).toBe(202)
  const fresh = (await it.mailedTokens('late@example.test')).at(-1)
  expect((await verify(fresh)).status).toBe(200)
  await it.signIn('late@example.test', 'the late password')
})

test('asking for a link again says the same for every address, and mails the newest registration only', async () => {
  await it.signUp('verified@example.test')
  await register('pending@example.test')
  const answers = await Promise.all(
    ['verified@example.test', 'pending@example.test', 'unheard-of@example.test'].map((email) =>
      it.post('/auth/verify-email/resend', { email }),
    ),
  )
  expect(new Set(answers.map(({ status, body }) => JSON.stringify([status, body]))).size).toBe(1)
  expect(await it.mailedTokens('verified@example.test')).toHaveLength(1)
  expect(await it.mailedTokens('pending@example.test')).toHaveLength(2)
  expect(await it.mailedTokens('unheard-of@example.test')).toEqual([])
  expect((await it.post('/auth/verify-email/resend', { email: 'no address' })).body.code).toBe('validation_failed')
})

test.each([['made-up'], ['x'.repeat(43)]])('the token %s proves nothing', async (token) => {
  const answer = await verify(token)
  expect([answer.status, answer.body.code]).toEqual([400, 'token_invalid'])
})
