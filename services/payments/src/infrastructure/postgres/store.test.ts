import { DependencyUnavailable, Session } from '@ashlar/platform/postgres'
import { testDatabase, testRuntime } from '@ashlar/platform/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { typesOf } from '../../../test/harness.ts'
import { paymentStoreConformance } from '../../../test/payment-store.conformance.ts'
import type { Movement } from '../../domain/ledger.ts'
import { newPayment } from '../../domain/payment.ts'
import { paymentsMigrations } from '../../index.ts'
import { createPostgresPaymentStore } from './store.ts'

const open = async () => {
  const database = await testDatabase('payments', paymentsMigrations)
  const runtime = testRuntime()
  const store = createPostgresPaymentStore({ runtime, databaseUrl: database.url })
  return {
    database,
    store,
    newId: runtime.newId,
    run: <T>(work: () => Promise<T>) => runtime.as(work),
    eventsAbout: (transactionId: string) => typesOf(database, transactionId),
    outage: () => database.outage(),
    isUnavailable: (error: unknown) => error instanceof DependencyUnavailable,
    close: async () => {
      await store.close()
      await database.close()
    },
  }
}

paymentStoreConformance('PostgreSQL', open)

let own: Awaited<ReturnType<typeof open>>
beforeAll(async () => {
  own = await open()
})
afterAll(() => own.close())

test('every table is declared, and neither a token nor its sealed form can enter the change stream', async () => {
  expect(await own.database.sql('SELECT table_name FROM ashlar.undeclared')).toEqual([])
  const published = await own.database.sql<{ tablename: string; attnames: string }>(
    'SELECT tablename, attnames::text FROM pg_publication_tables ORDER BY tablename',
  )
  expect(published.map(({ tablename }) => tablename)).toEqual([
    'attempts',
    'payment_sources',
    'payments',
    'postings',
    'refunds',
  ])
  expect(published.find(({ tablename }) => tablename === 'payment_sources')?.attnames).toBe(
    '{transaction_id,changed_at}',
  )
})

test('a token is sealed at rest and bound to its payment', async () => {
  const make = () =>
    newPayment(
      {
        transactionId: own.newId(),
        userId: own.newId(),
        money: { minor: 1n, currency: 'EUR' },
        method: 'paypal',
        description: null,
        metadata: {},
      },
      new Date(),
    )
  const [a, b] = [make(), make()]
  for (const payment of [a, b])
    await own.run(() =>
      own.store.unitOfWork(async (tx) => {
        await tx.payments.insert(payment)
        await tx.sources.keep(payment.transactionId, 'tok_secret_token')
      }),
    )
  const rows = await own.database.sql<{ sealed: Buffer }>('SELECT sealed FROM payment_sources')
  for (const { sealed } of rows) expect(sealed.toString('latin1')).not.toContain('tok_secret_token')

  await own.database.sql(
    `UPDATE payment_sources SET sealed = (SELECT sealed FROM payment_sources WHERE transaction_id = $1)
     WHERE transaction_id = $2`,
    [a.transactionId, b.transactionId],
  )
  expect(await own.store.source(a.transactionId)).toBe('tok_secret_token')
  await expect(own.store.source(b.transactionId)).rejects.toThrow()
})

const newCharged = async () => {
  const payment = newPayment(
    {
      transactionId: own.newId(),
      userId: own.newId(),
      money: { minor: 500n, currency: 'JPY' },
      method: 'paypal',
      description: null,
      metadata: {},
    },
    new Date('2026-01-01T00:00:00.000Z'),
  )
  const { transactionId } = payment
  const movement: Movement = {
    id: own.newId(),
    transactionId,
    kind: 'charge',
    money: payment.money,
    at: payment.createdAt,
  }
  await own.run(() =>
    own.store.unitOfWork(async (tx) => {
      await tx.payments.insert(payment)
      await tx.ledger.post(movement)
    }),
  )
  return movement
}

test('the role of the service can neither change nor remove a posting', async () => {
  const { transactionId } = await newCharged()
  const session = await Session.open({ url: own.database.url, applicationName: 'test', dependency: 'postgres' })
  for (const statement of [
    'UPDATE postings SET amount_minor = amount_minor * 2',
    'DELETE FROM postings',
    'TRUNCATE postings',
    'DROP TRIGGER postings_balance ON postings',
  ])
    await expect(session.query(statement)).rejects.toThrow(/permission denied|must be owner/)
  await session.close()
  const all = await own.store.booked({ after: undefined, upTo: undefined })
  const booked = all.find((each) => each.transactionId === transactionId)
  expect(booked?.postings.map(({ intact }) => intact)).toEqual([true, true])
})

test('postings that do not balance are refused whoever writes them', async () => {
  const { transactionId } = await newCharged()
  const insert = (amounts: [number, number]) =>
    own.database.sql(
      `INSERT INTO postings SELECT $1, m.id, leg.account, 'charge', leg.amount, 'JPY', now(), sha256('')
       FROM (SELECT gen_random_uuid() AS id) m,
         unnest(ARRAY['bank', 'refunds'], $2::bigint[]) AS leg (account, amount)`,
      [transactionId, amounts],
    )
  await expect(insert([5, -4])).rejects.toThrow('do not balance')
  await insert([5, -5])
})

test('what an earlier release settled is posted once, by one of many, and looks like any other', async () => {
  const { transactionId } = await newCharged()
  const ids = [own.newId(), own.newId()]
  await own.database.sql(
    `INSERT INTO attempts (id, transaction_id, request_key, outcome, reference, started_at, settled_at)
     VALUES ($1, $2, 'k', 'succeeded', 'ref', now(), '2026-01-02T00:00:00.123Z')`,
    [ids[0], transactionId],
  )
  await own.database.sql(
    `INSERT INTO refunds (id, transaction_id, user_id, amount_minor, exponent, currency, status, request_key, created_at,
       updated_at) VALUES ($1, $2, $2, 5, 0, 'JPY', 'succeeded', 'k', now(), '2026-01-02T00:00:00.123Z')`,
    [ids[1], transactionId],
  )
  const posted = await Promise.all(Array.from({ length: 4 }, () => own.run(() => own.store.postUnposted(10))))
  expect(posted.sort()).toEqual([0, 0, 0, 2])
  const [booked] = (await own.store.booked({ after: undefined, upTo: undefined })).filter(
    (each) => each.transactionId === transactionId,
  )
  const theirs = booked?.postings.filter(({ movementId }) => ids.includes(movementId)) ?? []
  expect(theirs.map(({ kind, amountMinor, intact }) => [kind, amountMinor, intact]).sort()).toEqual([
    ['charge', -500n, true],
    ['charge', 500n, true],
    ['refund', -5n, true],
    ['refund', 5n, true],
  ])
  expect([booked?.charge?.posted, booked?.refunds[0]?.posted]).toEqual([true, true])
})
