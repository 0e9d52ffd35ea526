import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Instance, until } from './support/instance.ts'
import {
  call,
  mailsTo,
  newAdministrator,
  newPayment,
  newPerson,
  type Person,
  processPayment,
} from './support/person.ts'

let instance: Instance
let administrator: Person

beforeAll(async () => {
  instance = await Instance.create({ ASHLAR_LOG_LEVEL: 'warn' })
  await instance.start()
  administrator = await newAdministrator(instance)
})

afterAll(() => instance.remove())

type Entry = { action: string; entity: string; before: unknown; after: unknown; changed: string[] }

const timeline = async (id: string): Promise<Entry[]> =>
  (await call(instance, 'GET', `/audit/timeline/user/${id}?limit=100`, { token: administrator.accessToken })).body
    .data as Entry[]

/** Every row of the tables where the trail and the messages lie. */
const stored = async (database: string): Promise<string> => {
  const client = new pg.Client({ connectionString: await instance.databaseUrl(database) })
  await client.connect()
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      `SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')`,
    )
    let text = ''
    for (const { name } of tables)
      text += JSON.stringify((await client.query(`SELECT to_jsonb(t)::text AS row FROM ${name} t`)).rows)
    return text
  } finally {
    await client.end()
  }
}

test('who is deleted is out, forgotten, and still accounted for', { timeout: 120_000 }, async () => {
  const person = await newPerson(instance, 'leaving')
  const payment = await newPayment(instance, person)
  await processPayment(instance, person, payment)
  await until('the receipt', async () =>
    (await mailsTo(instance, person.email)).find(({ template }) => template === 'payment-confirmation'),
  )
  await until('the name in the trail', async () =>
    JSON.stringify(await timeline(person.userId)).includes(person.email) ? true : undefined,
  )

  const deleted = await call(instance, 'DELETE', `/users/${person.userId}`, { token: person.accessToken })
  expect(deleted.status).toBe(204)

  // Out: the old tokens are refused at once.
  expect((await call(instance, 'GET', '/auth/profile', { token: person.accessToken })).status).toBe(401)
  const refresh = await call(instance, 'POST', '/auth/refresh', { body: { refreshToken: person.refreshToken } })
  expect(refresh.status).toBe(401)
  const seen = await call(instance, 'GET', `/users/${person.userId}`, { token: administrator.accessToken })
  expect(seen.status).toBe(404)

  // Forgotten: neither the trail nor the messages can tell the address or the name any more.
  await until('the erasure', async () =>
    JSON.stringify(await timeline(person.userId)).includes(person.email) ? undefined : true,
  )
  for (const database of ['auth', 'audit', 'notifications', 'payments']) {
    await until(`${database} to forget`, async () =>
      (await stored(database)).includes(person.email) ? undefined : true,
    )
  }
  const messages = await call(instance, 'GET', '/notifications?limit=100', { token: administrator.accessToken })
  expect(messages.status).toBe(200)
  expect(JSON.stringify(messages.body)).not.toContain(person.email)

  // Still accounted for: the chain is whole, the timeline tells what happened, the money can go back.
  const story = await until('the end of the story', async () => {
    const entries = await timeline(person.userId)
    return entries.some(({ action }) => action === 'delete') ? entries : undefined
  })
  expect(story.map(({ action }) => action)).toContain('insert')
  expect(story.some(({ changed }) => changed.includes('email'))).toBe(true)
  expect((await instance.command(['audit', 'verify'])).code).toBe(0)
  const refund = await call(instance, 'POST', `/payments/${payment}/refunds`, {
    token: administrator.accessToken,
    key: randomUUID(),
    body: {},
  })
  expect([refund.status, refund.body.status]).toEqual([201, 'succeeded'])
  expect((await instance.command(['ledger', 'verify'])).code).toBe(0)

  // Free: the address can be taken again, by a new person.
  const again = await call(instance, 'POST', '/auth/register', {
    body: { email: person.email, password: `a second life ${randomUUID()}` },
  })
  expect(again.status).toBe(202)
  await until('a new verification mail', async () =>
    (await mailsTo(instance, person.email)).find(({ template }) => template === 'verify-email'),
  )
  expect((await instance.command(['dlq', 'list', '--json'])).stdout.trim()).toBe('[]')
})
