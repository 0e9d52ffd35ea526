import { hash } from '@node-rs/bcrypt'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startAuth, type TestAuth } from './support.ts'

let it: TestAuth
beforeAll(async () => {
  it = await startAuth()
})
afterAll(() => it.close())

/** Every value of every table of the database, bytes as hex and as text. */
const everythingStored = async (): Promise<string> => {
  const tables = await it.sql<{ name: string }>(
    `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
     WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
  )
  const rows = await Promise.all(tables.map(({ name }) => it.sql(`SELECT * FROM ${name}`)))
  return JSON.stringify(rows, (_, value: unknown) => {
    if (typeof value === 'bigint') return String(value)
    const bytes = value as { type?: string; data?: number[] } | null
    if (bytes?.type !== 'Buffer' || !bytes.data) return value
    const buffer = Buffer.from(bytes.data)
    return [buffer.toString('hex'), buffer.toString('latin1'), buffer.toString('base64')]
  })
}

test('no password, link or token of a whole life is in a table, an event or a log line', async () => {
  const email = 'planted@example.test'
  const secrets: string[] = []
  const secret = (text: string): string => {
    secrets.push(text)
    return text
  }
  const body = (more: object) => ({ email, ...more })
  const logIn = async (password: string) => {
    const { body: session } = await it.post('/auth/login', body({ password }))
    secrets.push(session.accessToken, session.refreshToken)
    return session
  }

  await it.post('/auth/register', body({ password: secret('planted passphrase of a stranger') }))
  await it.post('/auth/register', body({ password: secret('planted passphrase, the first') }))
  await it.post('/auth/verify-email/resend', body({}))
  const links = await it.mailedTokens(email)
  expect(links).toHaveLength(3)
  links.forEach(secret)
  await it.post('/auth/login', body({ password: secret('planted guess before the proof') }))
  await it.post('/auth/verify-email', { token: links[2] })
  await it.post('/auth/login', body({ password: secret('planted guess of a thief') }))
  const session = await logIn('planted passphrase, the first')
  const refreshed = await it.post('/auth/refresh', { refreshToken: session.refreshToken })
  secrets.push(refreshed.body.accessToken, refreshed.body.refreshToken)

  const newPassword = secret('planted passphrase, the second')
  const change = { currentPassword: secret('planted wrong current password'), newPassword }
  await it.post('/auth/password/change', change, session.accessToken)
  const right = { currentPassword: 'planted passphrase, the first', newPassword }
  expect((await it.post('/auth/password/change', right, session.accessToken)).status).toBe(204)
  for (let i = 0; i < 2; i++) await it.post('/auth/password/forgot', body({}))
  const resets = await it.mailedTokens(email, 'password-reset')
  expect(resets).toHaveLength(2)
  resets.forEach(secret)
  const refused = { token: resets[0], newPassword: secret('planted@example.test') }
  expect((await it.post('/auth/password/reset', refused)).status).toBe(422)
  secrets.pop()
  const reset = { token: resets[0], newPassword: secret('planted passphrase, the third') }
  expect((await it.post('/auth/password/reset', reset)).status).toBe(204)
  await logIn('planted passphrase, the third')

  const passwordHash = await hash(secret('planted passphrase from elsewhere'), { cost: 4 })
  await it.runtime.as(() =>
    it.auth.importUsers(
      (async function* () {
        yield { email: 'imported@example.test', passwordHash, emailVerified: true }
      })(),
    ),
  )
  const imported = { email: 'imported@example.test', password: 'planted passphrase from elsewhere' }
  expect((await it.post('/auth/login', imported)).status).toBe(200)
  const made = await it.runtime.as(() => it.auth.createAdministrator({ email: 'planted-admin@example.test' }))
  secrets.push((made.ok && made.value.setupToken) || 'missing')
  const operator = secret('planted passphrase of the operator')
  await it.runtime.as(() => it.auth.createAdministrator({ email: 'planted-root@example.test', password: operator }))

  await it.events('user.login')
  const places = {
    store: await everythingStored(),
    events: JSON.stringify(it.published),
    logs: JSON.stringify(it.runtime.logs),
  }
  expect(places.store).toContain('planted-root@example.test')
  expect(new Set(secrets).size).toBeGreaterThanOrEqual(20)
  for (const [place, text] of Object.entries(places)) {
    for (const planted of secrets) {
      const forms = [
        planted,
        JSON.stringify(planted).slice(1, -1),
        Buffer.from(planted).toString('hex'),
        Buffer.from(planted).toString('base64'),
      ]
      for (const form of forms) expect(text.includes(form), `${planted} in ${place}`).toBe(false)
    }
  }
  // The search finds what is there: the hash of a link, which is stored as bytes.
  const [link] = await it.sql<{ token_hash: Buffer }>('SELECT token_hash FROM refresh_tokens LIMIT 1')
  expect(places.store).toContain(link?.token_hash.toString('hex'))
})
