import { afterAll, beforeAll, expect, test } from 'vitest'
import { PASSWORD, startAuth, type TestAuth } from '../../../test/support.ts'

let it: TestAuth
beforeAll(async () => {
  // Fifty mails to one address are more than the limits let through.
  it = await startAuth({}, { limitsEnabled: false })
})
afterAll(() => it.close())

const register = (body: Record<string, unknown>) => it.post('/auth/register', { password: PASSWORD, ...body })
const usersOf = (email: string) => it.sql('SELECT * FROM users WHERE email = $1', [email])
const registrationsOf = (email: string) =>
  it.sql('SELECT r.* FROM registrations r JOIN users u ON u.id = r.user_id WHERE u.email = $1', [email])

test('the first registration makes an unverified user, tells of it and asks for the mail', async () => {
  const answer = await register({ email: 'First@Example.test', firstName: ' Ada ', lastName: 'Lovelace' })
  expect(answer).toMatchObject({ status: 202, body: { message: expect.any(String) } })

  const [user] = await usersOf('first@example.test')
  expect(user).toMatchObject({ first_name: 'Ada', is_active: true, email_verified_at: null, version: 1 })
  expect(await it.sql('SELECT role FROM user_roles WHERE user_id = $1', [user?.id])).toEqual([{ role: 'user' }])
  expect(await it.sql('SELECT FROM credentials WHERE user_id = $1', [user?.id])).toEqual([])

  const [registered] = (await it.events('user.registered')).filter(({ subject }) => subject === user?.id)
  expect(registered).toMatchObject({
    sequence: 1,
    data: { userId: user?.id, email: 'first@example.test', firstName: 'Ada', lastName: 'Lovelace' },
  })
  const [mail] = (await it.events('mail.requested')).filter(({ subject }) => subject === user?.id)
  expect(mail?.data).toMatchObject({
    template: 'verify-email',
    userId: user?.id,
    email: 'first@example.test',
    firstName: 'Ada',
  })
})

test('neither the password nor the link can be read from the store or the outbox', async () => {
  await register({ email: 'secret@example.test', password: 'plain as plain can be' })
  const [token] = await it.mailedTokens('secret@example.test')
  expect(Buffer.from(token ?? '', 'base64url')).toHaveLength(32)
  const [row] = await registrationsOf('secret@example.test')
  expect(row?.password_hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  expect(JSON.stringify(row)).not.toContain(token)
  const told = JSON.stringify([it.published, it.runtime.logs])
  expect(told).not.toContain(token)
  expect(told).not.toContain('plain as plain')
})

test('a known address gets the same answer, its owner a mail, and nothing of him changes', async () => {
  await it.signUp('known@example.test')
  const before = await usersOf('known@example.test')
  const known = await register({
    email: 'KNOWN@example.test',
    password: 'the password of a stranger',
    firstName: 'Eve',
  })
  const unknown = await register({ email: 'nobody-yet@example.test', password: 'the password of a stranger' })
  expect([known.status, known.body]).toEqual([unknown.status, unknown.body])

  expect(await usersOf('known@example.test')).toEqual(before)
  expect(await registrationsOf('known@example.test')).toEqual([])
  expect(await it.mailedTokens('known@example.test', 'email-already-registered')).toEqual([undefined])
  await it.signIn('known@example.test')
})

test('fifty registrations of one address at once make one user, one event and fifty links', async () => {
  const answers = await Promise.all(Array.from({ length: 50 }, () => register({ email: 'race@example.test' })))
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]))
  const users = await usersOf('race@example.test')
  expect(users).toHaveLength(1)
  expect((await it.events('user.registered')).filter(({ subject }) => subject === users[0]?.id)).toHaveLength(1)
  expect(new Set(await it.mailedTokens('race@example.test')).size).toBe(50)
})

test.each([
  ['too_short', { password: 'brief' }],
  ['too_short', { password: '' }],
  ['common', { password: 'Trustno1' }],
  ['too_long', { password: 'x'.repeat(129) }],
  ['contains_email', { password: 'Refused@example.test' }],
  ['contains_name', { password: 'wilhelmina', firstName: 'Wilhelmina' }],
])('a password is refused as %s, and nothing is stored', async (code, body) => {
  const answer = await register({ email: 'refused@example.test', ...body })
  expect(answer.status).toBe(422)
  expect(answer.body).toMatchObject({ code: 'password_refused', errors: [{ pointer: '/password', code }] })
  expect(await usersOf('refused@example.test')).toEqual([])
})

test.each([
  [{}],
  [{ email: 'not an address' }],
  [{ email: 'a@example.test', password: 12 }],
  [{ email: 'a@example.test', admin: true }],
  [{ email: 'a@example.test', firstName: 'Eve\r\nBcc: all@example.test' }],
  [{ email: 'a@example.test', lastName: 'x'.repeat(101) }],
])('the malformed body %j is answered 400', async (body) => {
  const answer = await register(body)
  expect([answer.status, answer.body.code]).toEqual([400, 'validation_failed'])
  expect(answer.body.errors.length).toBeGreaterThan(0)
})
