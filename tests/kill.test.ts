import { randomInt } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Instance, postgresServersBelow, sleep, until } from './support/instance.ts'
import { newLedger, startLoad } from './support/load.ts'
import { call, mailsTo, newAdministrator, newPerson, type Person, signIn } from './support/person.ts'
import { seeded } from './support/random.ts'
import { openWitnessSlot, readTrail, readWitnessSlot } from './support/witness-slot.ts'

const KILLS = 20
const AUDITED = ['auth', 'payments', 'notifications']
const seed = Number(process.env.ASHLAR_TEST_SEED ?? randomInt(2 ** 31))

let instance: Instance
let administrator: Person
let people: Person[]

const query = async <R extends pg.QueryResultRow>(database: string, sql: string): Promise<R[]> => {
  const client = new pg.Client({ connectionString: await instance.databaseUrl(database) })
  await client.connect()
  try {
    return (await client.query<R>(sql)).rows
  } finally {
    await client.end()
  }
}

beforeAll(async () => {
  instance = await Instance.create({ ASHLAR_LOG_LEVEL: 'warn' })
  await instance.start()
  administrator = await newAdministrator(instance)
  people = await Promise.all([newPerson(instance), newPerson(instance), newPerson(instance)])
})

afterAll(() => instance.remove())

test('twenty kills at random instants under load lose nothing that was acknowledged', {
  timeout: 600_000,
}, async () => {
  console.log(`seed ${seed} (ASHLAR_TEST_SEED repeats it)`)
  const random = seeded(seed)
  const ledger = newLedger()
  const entriesBefore = await Promise.all(
    AUDITED.map(async (service) => {
      await until(`a quiet trail of ${service}`, async () => {
        const before = await readTrail(await instance.databaseUrl('audit'), service)
        await sleep(300)
        return before.length === (await readTrail(await instance.databaseUrl('audit'), service)).length
          ? true
          : undefined
      })
      const url = await instance.databaseUrl(service)
      await openWitnessSlot(url, service)
      return new Set(await readTrail(await instance.databaseUrl('audit'), service))
    }),
  )

  for (let kill = 1; kill <= KILLS; kill++) {
    const load = startLoad(instance, people, administrator, ledger)
    await sleep(150 + random() * 1_500)
    const ended = await instance.end('SIGKILL')
    expect(ended).toBe('SIGKILL')
    await load.stop()
    await instance.start()
    expect(await postgresServersBelow(instance.dataDir)).toHaveLength(1)
  }
  expect(ledger.unexpected).toEqual([])
  expect(ledger.completed.size).toBeGreaterThan(0)

  // Acknowledged sign-ins and refreshes: each client goes on with the newest token it was given.
  for (const refreshToken of ledger.refreshTokens.values()) {
    const { status, body } = await call(instance, 'POST', '/auth/refresh', { body: { refreshToken } })
    expect([status, body.code]).toEqual([200, undefined])
  }

  // Acknowledged payments are there, and none is left in between.
  administrator = await signIn(instance, administrator.email, administrator.password)
  for (const id of ledger.created.keys()) {
    const settled = await until(`payment ${id} to settle`, async () => {
      const { status, body } = await call(instance, 'GET', `/payments/${id}`, { token: administrator.accessToken })
      expect(status).toBe(200)
      return body.status === 'processing' ? undefined : body
    })
    if (ledger.completed.has(id)) expect(settled.status).toMatch(/^(completed|partially_refunded)$/)
  }
  for (const [refundId, id] of ledger.refunds) {
    const { body } = await call(instance, 'GET', `/payments/${id}/refunds`, { token: administrator.accessToken })
    expect((body.data as { id: string }[]).map((refund) => refund.id)).toContain(refundId)
  }

  // The provider's own record: one charge per attempt and per payment.
  const charges = await query<{ transaction_id: string; booked: string }>(
    'sandbox',
    `SELECT transaction_id, count(*) AS booked FROM operations WHERE kind = 'charge' AND outcome = 'succeeded' GROUP BY 1`,
  )
  expect(charges.filter(({ booked }) => booked !== '1')).toEqual([])
  const charged = new Set(charges.map((charge) => charge.transaction_id))
  expect([...ledger.completed].filter((id) => !charged.has(id))).toEqual([])

  // Every acknowledged registration reached the mailbox, every message once.
  for (const email of ledger.registered) {
    const mails = await until(`the mail to ${email}`, async () => {
      const found = await mailsTo(instance, email)
      return found.length > 0 ? found : undefined
    })
    expect(mails.map(({ template, handOvers }) => [template, handOvers])).toEqual([['verify-email', 1]])
  }
  const twice = await query('notifications', 'SELECT message_id FROM mailbox WHERE hand_overs <> 1')
  expect(twice).toEqual([])

  // Every event that was ever published was taken up exactly once by each subscription that wants it.
  await until('the subscriptions to catch up', async () => {
    const behind = await query<{ behind: string }>(
      'bus',
      `SELECT count(*) AS behind FROM subscriptions s JOIN events e ON e.position > s.position AND e.type = ANY (s.types)`,
    )
    return behind[0]?.behind === '0' ? true : undefined
  })
  const subscriptions = await query<{ name: string; types: string[] }>('bus', 'SELECT name, types FROM subscriptions')
  expect(subscriptions.length).toBeGreaterThanOrEqual(3)
  for (const { name, types } of subscriptions) {
    const list = types.map((type) => `'${type}'`).join(', ')
    const published = await query<{ id: string }>(
      'bus',
      `SELECT event_id::text AS id FROM events WHERE type IN (${list})`,
    )
    const database = name.split('.')[0] ?? ''
    const taken = await query<{ id: string }>(
      database,
      `SELECT event_id::text AS id FROM inbox WHERE subscription = '${name}'`,
    )
    expect(taken.map(({ id }) => id).sort()).toEqual(published.map(({ id }) => id).sort())
  }
  for (const service of ['auth', 'payments']) expect(await query(service, 'SELECT id FROM outbox')).toEqual([])

  // An independent reader of the log saw exactly what the trail holds.
  const audit = await instance.databaseUrl('audit')
  for (const [index, service] of AUDITED.entries()) {
    const url = await instance.databaseUrl(service)
    await until(`the trail of ${service} to catch up`, async () => {
      const logged = await readWitnessSlot(url, service, 'ashlar_audit')
      const stored = (await readTrail(audit, service)).filter((line) => !entriesBefore[index]?.has(line))
      expect(stored).toEqual(logged)
      return true
    })
  }
  expect((await instance.command(['audit', 'verify'])).code).toBe(0)

  console.log(
    `${KILLS} kills: ${ledger.registered.size} registrations, ${ledger.refreshTokens.size} sessions, ` +
      `${ledger.created.size} payments, ${ledger.completed.size} charged, ${ledger.refunds.size} refunds acknowledged and kept`,
  )
  expect(await instance.end('SIGTERM')).toBe(0)
  expect(await postgresServersBelow(instance.dataDir)).toEqual([])
})
