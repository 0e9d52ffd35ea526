import { eventually } from '@ashlar/platform/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PASSWORD, startAuth, type TestAuth } from '../../../test/support.ts'

let it: TestAuth
beforeAll(async () => {
  it = await startAuth()
})
afterAll(() => it.close())

const MINUTE = 60_000
const forgot = (email: string) => it.post('/auth/password/forgot', { email })
const resend = (email: string) => it.post('/auth/verify-email/resend', { email })
const resetLinks = (email: string) => it.mailedTokens(email, 'password-reset')
const reset = (token: unknown, newPassword: string) => it.post('/auth/password/reset', { token, newPassword })

test('whoever forgot his password gets a link that sets another one, for an hour', async () => {
  await it.signUp('ada@example.test')
  expect(await forgot(' ADA@example.test')).toMatchObject({ status: 202, body: { message: expect.any(String) } })
  const [token] = await resetLinks('ada@example.test')
  const [mail] = (await it.events('mail.requested')).filter(({ data }) => data.template === 'password-reset')
  expect(mail?.data.expiresAt).toBe(new Date(it.clock.now().getTime() + 60 * MINUTE).toISOString())

  it.clock.advance(60 * MINUTE - 1)
  expect((await reset(token, 'another fine passphrase')).status).toBe(204)
  await it.signIn('ada@example.test', 'another fine passphrase')
  expect(await it.post('/auth/login', { email: 'ada@example.test', password: PASSWORD })).toMatchObject({ status: 401 })

  await forgot('ada@example.test')
  const late = (await resetLinks('ada@example.test')).at(-1)
  it.clock.advance(60 * MINUTE)
  expect((await reset(late, 'yet another passphrase')).body.code).toBe('token_invalid')
})

test('using one link kills the others, and of many uses at once one succeeds', async () => {
  await it.signUp('links@example.test')
  for (let i = 0; i < 3; i++) {
    await forgot('links@example.test')
    await resetLinks('links@example.test')
  }
  const tokens = await resetLinks('links@example.test')
  expect(new Set(tokens).size).toBe(3)
  const answers = await Promise.all(
    Array.from({ length: 9 }, (_, i) => reset(tokens[i % 3], `the passphrase number ${i}`)),
  )
  expect(answers.map(({ status }) => status).sort()).toEqual([204, ...Array(8).fill(400)])
  await it.signIn('links@example.test', `the passphrase number ${answers.findIndex(({ status }) => status === 204)}`)
})

test('nobody else gets a link: not the unknown, the unverified, the deactivated', async () => {
  await it.post('/auth/register', { email: 'pending@example.test', password: PASSWORD })
  await it.signUp('gone@example.test')
  await it.sql('UPDATE users SET is_active = false WHERE email = $1', ['gone@example.test'])
  for (const email of ['pending@example.test', 'gone@example.test', 'nobody@example.test']) {
    expect((await forgot(email)).status).toBe(202)
    expect(await resetLinks(email)).toEqual([])
  }
  expect(await it.sql('SELECT FROM address_requests')).toEqual([])
  expect((await forgot('no address')).body.code).toBe('validation_failed')
})

test('a deactivated account is not opened by a link from before', async () => {
  const { id } = await it.signUp('locked@example.test')
  await forgot('locked@example.test')
  const [token] = await resetLinks('locked@example.test')
  await it.sql('UPDATE users SET is_active = false WHERE id = $1', [id])
  expect((await reset(token, 'another fine passphrase')).body.code).toBe('token_invalid')
})

test('three links in a quarter of an hour and ten in a day, each kind for itself, with the same answer', async () => {
  await it.signUp('flood@example.test')
  const answers = new Set<string>()
  let sent = 0
  const ask = async (): Promise<number> => {
    const { status, body } = await forgot('flood@example.test')
    answers.add(JSON.stringify([status, body]))
    const before = sent
    sent = (await resetLinks('flood@example.test')).length
    return sent - before
  }
  const inTurn = async (count: number): Promise<number> => {
    let mails = 0
    for (let i = 0; i < count; i++) mails += await ask()
    return mails
  }
  expect(await inTurn(5)).toBe(3)
  for (const allowed of [3, 3, 1, 0]) {
    it.clock.advance(15 * MINUTE)
    expect(await inTurn(4)).toBe(allowed)
  }
  expect(answers.size).toBe(1)
  // A notice of another kind is not stopped by them.
  const notices = () => it.mailedTokens('flood@example.test', 'email-already-registered')
  for (let i = 0; i < 5; i++) await it.post('/auth/register', { email: 'flood@example.test', password: PASSWORD })
  expect(await notices()).toHaveLength(3)

  it.clock.advance(24 * 60 * MINUTE)
  expect(await inTurn(4)).toBe(3)
})

test('many requests for one address at once are mailed no more than the limit', async () => {
  await it.signUp('burst@example.test')
  await Promise.all(Array.from({ length: 20 }, () => forgot('burst@example.test')))
  expect(await resetLinks('burst@example.test')).toHaveLength(3)
})

test('links that prove an address are counted over registrations and resends', async () => {
  const register = () => it.post('/auth/register', { email: 'claimed@example.test', password: PASSWORD })
  for (let i = 0; i < 2; i++) expect((await register()).status).toBe(202)
  for (let i = 0; i < 3; i++) expect((await resend('claimed@example.test')).status).toBe(202)
  expect(await it.mailedTokens('claimed@example.test')).toHaveLength(3)
  expect((await register()).status).toBe(202)
  expect(await it.mailedTokens('claimed@example.test')).toHaveLength(3)
  // The claim that got no mail is not lost: its password counts once a link may be mailed again.
  it.clock.advance(15 * MINUTE)
  await resend('claimed@example.test')
  const token = (await it.mailedTokens('claimed@example.test')).at(-1)
  expect((await it.post('/auth/verify-email', { token })).status).toBe(200)
})

test('a restart neither loses a request nor forgets the count of the day', async () => {
  const first = await startAuth({}, { database: it.database, clock: it.clock })
  await it.signUp('restart@example.test')
  for (let i = 0; i < 3; i++) await forgot('restart@example.test')
  expect(await resetLinks('restart@example.test')).toHaveLength(3)
  await first.close()

  const context = JSON.stringify({
    requestId: 'r-1',
    traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`,
    actor: { type: 'anonymous', id: 'x' },
  })
  for (const email of ['restart@example.test', 'ada@example.test']) {
    await it.sql('INSERT INTO address_requests VALUES (gen_random_uuid(), $1, $2, $3, now())', [
      'password_forgot',
      email,
      context,
    ])
  }
  const second = await startAuth({}, { database: it.database, clock: it.clock })
  await eventually(async () => expect(await it.sql('SELECT FROM address_requests')).toEqual([]))
  const told = (await second.events('mail.requested')).concat(await it.events('mail.requested'))
  const mine = told.filter(({ correlationid }) => correlationid === 'r-1')
  expect(mine.map(({ data }) => data.email)).toEqual(['ada@example.test'])
  expect(mine[0]?.traceparent).toMatch(/^00-1{32}-/)
  await second.close()
})

test('a request that fails is tried again and holds up nobody', async () => {
  await it.signUp('fails@example.test')
  await it.post('/auth/register', { email: 'waits@example.test', password: PASSWORD })
  await it.mailedTokens('waits@example.test')
  await it.sql('ALTER TABLE mailed_links ADD CONSTRAINT not_for_now CHECK (kind <> $$password-reset$$) NOT VALID')
  await forgot('fails@example.test')
  await resend('waits@example.test')
  await eventually(() =>
    expect(it.runtime.logs.some(({ message }) => message === 'a request for an address waits for another try')).toBe(
      true,
    ),
  )
  await eventually(async () => {
    expect(await it.sql('SELECT email FROM address_requests')).toEqual([{ email: 'fails@example.test' }])
  })
  await it.sql('ALTER TABLE mailed_links DROP CONSTRAINT not_for_now')
  await forgot('nobody@example.test')
  expect(await resetLinks('fails@example.test')).toHaveLength(1)
  expect(await it.mailedTokens('waits@example.test')).toHaveLength(2)
})
