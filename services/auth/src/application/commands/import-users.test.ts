import { hash } from '@node-rs/bcrypt'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PASSWORD, startAuth, type TestAuth } from '../../../test/support.ts'

let it: TestAuth
beforeAll(async () => {
  it = await startAuth()
})
afterAll(() => it.close())

const OLD = 'a password from elsewhere'
const bcrypt = (password = OLD, cost = 5) => hash(password, { cost })
const importing = (rows: readonly unknown[]) => {
  const given = async function* () {
    yield* rows
  }
  return it.runtime.as(() => it.auth.importUsers(given()), { type: 'cli', id: 'test' })
}
const login = (email: string, password = OLD) => it.post('/auth/login', { email, password })
const storedHash = async (email: string): Promise<string> => {
  const [row] = await it.sql(
    'SELECT password_hash FROM credentials c JOIN users u ON u.id = c.user_id WHERE email = $1',
    [email],
  )
  return row?.password_hash
}

test('imported people sign in with their old passwords, whose hashes are made stronger by it', async () => {
  const passwordHash = await bcrypt()
  const row = { email: 'Ada@Example.test', firstName: 'Ada', lastName: 'Lovelace', passwordHash, emailVerified: true }
  expect(await importing([row])).toEqual({ imported: 1, unchanged: 0, refused: [] })
  expect(await storedHash('ada@example.test')).toBe(passwordHash)
  const [before] = await it.sql('SELECT changed_at FROM credentials')

  expect((await login('ada@example.test', 'not the password')).status).toBe(401)
  expect(await storedHash('ada@example.test')).toBe(passwordHash)
  it.clock.advance(1_000)
  const first = await login('ada@example.test')
  expect(first).toMatchObject({ status: 200, body: { user: { firstName: 'Ada', roles: ['user'] } } })
  expect(await storedHash('ada@example.test')).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  // The password is the same: nobody changed it.
  expect((await it.sql('SELECT changed_at FROM credentials'))[0]).toEqual(before)
  expect((await login('ada@example.test')).status).toBe(200)
})

test('of many first sign-ins at once all succeed', async () => {
  await importing([{ email: 'many@example.test', passwordHash: await bcrypt(), emailVerified: true }])
  const answers = await Promise.all(Array.from({ length: 8 }, () => login('many@example.test')))
  expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200))
})

test('nobody gets a mail, and the others learn of each person once', async () => {
  const passwordHash = await bcrypt()
  await importing([
    { email: 'verified@example.test', firstName: 'Vera', passwordHash, emailVerified: true },
    { email: 'unverified@example.test', passwordHash },
  ])
  const mine = (await it.events('user.registered')).filter(({ data }) => /verified@/.test(data.email))
  expect(mine.map(({ data, actor }) => [data.email, data.firstName, actor])).toEqual([
    ['unverified@example.test', null, 'cli:test'],
    ['verified@example.test', 'Vera', 'cli:test'],
  ])
  expect(await it.events('user.verified')).toEqual([])
  expect(await it.events('mail.requested')).toEqual([])
})

test('whoever is not verified proves his address by a link he asks for, and keeps his password', async () => {
  await importing([{ email: 'later@example.test', passwordHash: await bcrypt() }])
  expect((await login('later@example.test')).body.code).toBe('email_unverified')
  await it.post('/auth/verify-email/resend', { email: 'later@example.test' })
  const [token] = await it.mailedTokens('later@example.test')
  expect((await it.post('/auth/verify-email', { token })).status).toBe(200)
  expect((await login('later@example.test')).status).toBe(200)
})

test('the same file may come twice; accounts that exist keep their passwords', async () => {
  await it.signUp('mine@example.test')
  const passwordHash = await bcrypt()
  const rows = ['mine@example.test', 'once@example.test'].map((email) => ({ email, passwordHash, emailVerified: true }))
  expect(await importing(rows)).toEqual({ imported: 1, unchanged: 1, refused: [] })
  expect(await importing(rows)).toEqual({ imported: 0, unchanged: 2, refused: [] })
  expect((await login('mine@example.test')).status).toBe(401)
  expect((await login('mine@example.test', PASSWORD)).status).toBe(200)
})

test('a verified row takes the address from whoever only claimed it', async () => {
  await it.post('/auth/register', { email: 'claimed@example.test', password: PASSWORD, firstName: 'Eve' })
  const [token] = await it.mailedTokens('claimed@example.test')
  const row = { email: 'claimed@example.test', firstName: 'Vic', passwordHash: await bcrypt(), emailVerified: true }
  expect(await importing([row])).toMatchObject({ imported: 1 })
  expect((await it.post('/auth/verify-email', { token })).body.code).toBe('token_invalid')
  expect((await login('claimed@example.test', PASSWORD)).status).toBe(401)
  expect((await login('claimed@example.test')).body.user.firstName).toBe('Vic')
})

test('lines that cannot be taken are named by their numbers, and the others are taken', async () => {
  const passwordHash = await bcrypt()
  const line = (more: object) => JSON.stringify({ email: 'x@example.test', passwordHash, ...more })
  const rows = [
    line({ email: 'good@example.test' }),
    line({ email: 'no address' }),
    '',
    '{"email": "broken@example.test",',
    line({ email: 'role@example.test', role: 'admin' }),
    line({ email: 'crlf@example.test', firstName: 'Eve\r\nBcc: all@example.test' }),
    line({ email: 'dear@example.test', passwordHash: passwordHash.replace('$05$', '$13$') }),
    line({ email: 'plain@example.test', passwordHash: 'hunter2' }),
    line({ email: ' GOOD@example.test' }),
    { email: 'object@example.test', passwordHash },
    undefined,
    null,
  ]
  expect(await importing(rows)).toEqual({
    imported: 2,
    unchanged: 0,
    refused: [
      { line: 2, reason: 'email_malformed' },
      { line: 4, reason: 'row_malformed' },
      { line: 5, reason: 'row_malformed' },
      { line: 6, reason: 'row_malformed' },
      { line: 7, reason: 'hash_too_costly' },
      { line: 8, reason: 'hash_malformed' },
      { line: 9, reason: 'duplicate' },
      { line: 12, reason: 'row_malformed' },
    ],
  })
})

test('two imports of the same people at once make each person once', async () => {
  const passwordHash = await bcrypt()
  const rows = Array.from({ length: 150 }, (_, i) => ({
    email: `twin${i}@example.test`,
    passwordHash,
    emailVerified: true,
  }))
  const [one, two] = await Promise.all([importing(rows), importing([...rows].reverse())])
  expect([one.imported + two.imported, one.unchanged + two.unchanged]).toEqual([150, 150])
})

test('so many kinds of hashes that every failed sign-in would pay for them are refused', async () => {
  const rows = Array.from({ length: 20 }, (_, i) => ({
    email: `kind${i}@example.test`,
    passwordHash: `$argon2id$v=19$m=${1024 + i},t=1,p=1$c29tZXNhbHQ$${'A'.repeat(43)}`,
  }))
  const { imported, refused } = await importing(rows)
  expect(imported).toBe(11)
  expect(new Set(refused.map(({ reason }) => reason))).toEqual(new Set(['hash_kinds_exceeded']))
})
