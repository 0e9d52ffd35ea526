import { createUnitOfWork, openDatabase } from '@ashlar/platform/postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PASSWORD, startAuth, type TestAuth } from '../../test/support.ts'
import { createHousekeeping, type Housekeeping } from './housekeeping.ts'
import type { AuthTables } from './postgres/tables.ts'

let it: TestAuth
let housekeeping: Housekeeping
let closeDatabase: () => Promise<void>
beforeAll(async () => {
  it = await startAuth()
  const { runtime } = it
  const database = openDatabase<AuthTables>({ url: it.database.url, applicationName: 'test', runtime, service: 'auth' })
  closeDatabase = () => database.close()
  const unitOfWork = createUnitOfWork({ database, runtime, service: 'auth', repositories: () => ({}) })
  const kept = {
    graceMs: 30_000,
    registrationDays: 30,
    sessionDays: 90,
    inboxDays: 30,
    reloadHashKinds: async () => undefined,
  }
  housekeeping = createHousekeeping({ unitOfWork, runtime, ...kept })
})
afterAll(async () => {
  await housekeeping.stop()
  await closeDatabase()
  await it.close()
})

const DAY = 86_400_000
const count = async (table: string): Promise<number> =>
  Number((await it.sql<{ count: bigint }>(`SELECT count(*) FROM ${table}`))[0]?.count)

test('nothing leaves before its time, everything after it', async () => {
  await it.signUp('ada@example.test')
  await it.post('/auth/register', { email: 'pending@example.test', password: PASSWORD })
  const { refreshToken, accessToken } = await it.signIn('ada@example.test')
  const successor = (await it.post('/auth/refresh', { refreshToken })).body.refreshToken
  await it.post('/auth/logout', undefined, accessToken)
  const state = async () => ({
    revocations: await count('revocations'),
    registrations: await count('registrations'),
    sealed: await count('refresh_tokens WHERE successor_sealed IS NOT NULL'),
    tokens: await count('refresh_tokens'),
    sessions: await count('sessions'),
  })
  const all = { revocations: 1, registrations: 1, sealed: 1, tokens: 2, sessions: 1 }
  it.clock.advance(29_999)
  await housekeeping.runOnce()
  expect(await state()).toEqual(all)

  it.clock.advance(1)
  await housekeeping.runOnce()
  expect(await state()).toEqual({ ...all, sealed: 0 })

  it.clock.advance(DAY)
  await housekeeping.runOnce()
  expect(await state()).toEqual({ ...all, sealed: 0, revocations: 0 })

  it.clock.advance(88 * DAY)
  await housekeeping.runOnce()
  expect(await state()).toEqual({ revocations: 0, registrations: 0, sealed: 0, tokens: 2, sessions: 1 })
  // A consumed token is still told from garbage on the last day; its successor belongs to an ended session.
  expect((await it.post('/auth/refresh', { refreshToken })).body.code).toBe('refresh_token_reused')
  expect((await it.post('/auth/refresh', { refreshToken: successor })).body.code).toBe('refresh_token_invalid')

  it.clock.advance(2 * DAY)
  await housekeeping.runOnce()
  expect(await state()).toEqual({ revocations: 0, registrations: 0, sealed: 0, tokens: 0, sessions: 0 })
})

test('sessions leave ninety days after their end, however they ended, and however many they are', async () => {
  await it.signUp('eve@example.test')
  const insert = `
    INSERT INTO sessions (id, user_id, amr, auth_time, created_at, absolute_expires_at, ended_at, end_reason)
    SELECT gen_random_uuid(), (SELECT id FROM users WHERE email = 'eve@example.test'), '{pwd}', $1, $1, $2, $3, $4
    FROM generate_series(1, $5)`
  const ago = (days: number) => new Date(it.clock.now().getTime() - days * DAY)
  await it.sql(insert, [ago(181), ago(91), null, null, 2_500])
  await it.sql(insert, [ago(120), ago(30), ago(90), 'logout', 1])
  await it.sql(insert, [ago(120), ago(30), ago(89), 'logout', 1])
  await it.sql(insert, [ago(100), ago(10), null, null, 1])
  await it.sql(insert, [ago(100), ago(-10), ago(95), 'logout', 1])
  await housekeeping.runOnce()
  // The last one ended long ago, but its consumed tokens are told from garbage until it would have expired.
  expect(await count('sessions')).toBe(3)
})

test('events that were handled long ago are forgotten', async () => {
  await it.sql(`INSERT INTO inbox VALUES ('x', gen_random_uuid(), now() - interval '31 days')`)
  await it.sql(`INSERT INTO inbox VALUES ('x', gen_random_uuid(), now() - interval '29 days')`)
  await housekeeping.runOnce()
  expect(await count('inbox')).toBe(1)
})
