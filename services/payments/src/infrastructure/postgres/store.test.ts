import { DependencyUnavailable } from '@ashlar/platform/postgres'
import { testDatabase, testRuntime } from '@ashlar/platform/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { typesOf } from '../../../test/harness.ts'
import { paymentStoreConformance } from '../../../test/payment-store.conformance.ts'
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
  expect(published.map(({ tablename }) => tablename)).toEqual(['attempts', 'payment_sources', 'payments', 'refunds'])
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
