import { type TestDatabase, testDatabase, testRuntime } from '@ashlar/platform/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PaymentFilter } from '../../application/ports.ts'
import { paymentsMigrations } from '../../index.ts'
import { listQuery } from './payments.ts'
import { createPostgresPaymentStore } from './store.ts'

let database: TestDatabase
let store: ReturnType<typeof createPostgresPaymentStore>
const person = '00000000-0000-7000-8000-000000000001'
beforeAll(async () => {
  database = await testDatabase('payments', paymentsMigrations)
  store = createPostgresPaymentStore({ runtime: testRuntime(), databaseUrl: database.url })
  // Of each kind there are few among many, the oldest: who walks the list for them walks all of it.
  await database.sql(
    `INSERT INTO payments (transaction_id, user_id, amount_minor, exponent, currency, method, status, failure_code,
       created_at, updated_at)
     SELECT gen_random_uuid(), CASE WHEN rare THEN $1 ELSE gen_random_uuid() END, CASE WHEN rare THEN 999999 ELSE n END,
       2, CASE WHEN rare THEN 'KWD' ELSE 'EUR' END, CASE WHEN rare THEN 'paypal' ELSE 'credit_card' END,
       CASE WHEN rare THEN 'failed' ELSE 'pending' END, CASE WHEN rare THEN 'x' END, at, at
     FROM (SELECT n, n <= 20 AS rare, timestamptz '2026-01-01' + n * interval '1 second' AS at
           FROM generate_series(1, 20000) n) AS made`,
    [person],
  )
  await database.sql('ANALYZE payments')
})
afterAll(async () => {
  await store.close()
  await database.close()
})

const early = { from: new Date('2026-01-01T00:00:00Z'), to: new Date('2026-01-01T00:00:21Z') }

test.each<[string, PaymentFilter, number]>([
  ['user', { userId: person }, 20],
  ['status', { status: 'failed' }, 20],
  ['method', { method: 'paypal' }, 20],
  ['currency', { currency: 'KWD' }, 20],
  ['from and to', early, 20],
  ['to', { to: early.to }, 20],
  ['currency and minAmount', { currency: 'KWD', minMinor: 999_999n }, 20],
  ['currency and a narrow amount', { currency: 'EUR', minMinor: 5_000n, maxMinor: 5_004n }, 5],
  ['everything at once', { userId: person, status: 'failed', method: 'paypal', currency: 'KWD', ...early }, 20],
])('the filter by %s has an index, and does not walk the list', async (_what, filter, matches) => {
  const query = listQuery(store.database.db, filter, { limit: 21 })
  const { sql, parameters } = query.compile()
  expect(await query.execute()).toHaveLength(matches)
  const rows = await database.sql<{ 'QUERY PLAN': [{ Plan: Plan }] }>(
    `EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ${sql}`,
    parameters,
  )
  const plan = rows[0]?.['QUERY PLAN'][0].Plan
  if (!plan) throw new Error('no plan')
  const nodes = flatten(plan)
  expect(nodes.map((node) => node['Node Type']).filter((type) => type === 'Seq Scan')).toEqual([])
  for (const node of nodes) expect(node['Rows Removed by Filter'] ?? 0).toBeLessThan(200)
})

type Plan = { 'Node Type': string; 'Rows Removed by Filter'?: number; Plans?: Plan[] }
const flatten = (plan: Plan): Plan[] => [plan, ...(plan.Plans ?? []).flatMap(flatten)]
