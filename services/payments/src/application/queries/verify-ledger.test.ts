import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  age,
  createWorld,
  HASTY,
  newCompletedPayment,
  newPendingPayment,
  owner,
  type Process,
  USER,
  type World,
} from '../../../test/harness.ts'
import { verifyLedger } from './verify-ledger.ts'

let world: World
let process: Process
beforeAll(async () => {
  world = await createWorld()
  process = world.start()
})
afterAll(() => world.close())

const refund = (transactionId: string, key: string, amount?: string) =>
  process.refundPayment({ requesterId: USER, transactionId, amount, reason: null, key })
const newTransfer = async () => {
  const created = await process.createPayment({
    userId: USER,
    money: { minor: 700n, currency: 'EUR' },
    method: 'bank_transfer',
    description: null,
    metadata: {},
  })
  if (!created.ok) throw new Error('not created')
  return created.value.transactionId
}
const postingsOf = (transactionId: string) =>
  world.payments.sql<{ kind: string; account: string; amount: string }>(
    `SELECT kind, account, amount_minor::text AS amount FROM postings WHERE transaction_id = $1
     ORDER BY kind, amount_minor DESC`,
    [transactionId],
  )

test('an empty ledger is balanced', async () => {
  const empty = await createWorld()
  expect(await empty.start().verifyLedger()).toEqual({
    balanced: true,
    currencies: [],
    postings: 0,
    checked: 0,
    firstBad: null,
  })
  await empty.close()
})

test('each movement of money has its two postings, and nothing else has any', async () => {
  const { transactionId } = await newCompletedPayment(process)
  await refund(transactionId, 'a', '60.00')
  expect(await postingsOf(transactionId)).toEqual([
    { kind: 'charge', account: 'provider_clearing', amount: '10000' },
    { kind: 'charge', account: 'customer_payments', amount: '-10000' },
    { kind: 'refund', account: 'refunds', amount: '6000' },
    { kind: 'refund', account: 'provider_clearing', amount: '-6000' },
  ])
  const transfer = await newTransfer()
  expect(await postingsOf(transfer)).toEqual([])
  await process.setStatus({ transactionId: transfer, status: 'completed', reason: 'seen' })
  expect(await postingsOf(transfer)).toEqual([
    { kind: 'bank_transfer', account: 'bank', amount: '700' },
    { kind: 'bank_transfer', account: 'customer_payments', amount: '-700' },
  ])
  const declined = await newCompletedPayment(process, 'tok_declined')
  const notRefunded = await newCompletedPayment(process, 'tok_refund_declined')
  await refund(notRefunded.transactionId, 'a')
  expect(await postingsOf(declined.transactionId)).toEqual([])
  expect(await postingsOf(notRefunded.transactionId)).toHaveLength(2)

  expect(await process.verifyLedger()).toEqual({
    balanced: true,
    currencies: [
      {
        currency: 'EUR',
        debit: '267.00',
        credit: '267.00',
        atProvider: { ledger: '140.00', record: '140.00' },
      },
    ],
    postings: 8,
    checked: 4,
    firstBad: null,
  })
})

/** Tries one edit by the administrator, and puts everything back afterwards. */
const harmed = async (database: 'payments' | 'sandbox', edit: string, values: unknown[] = []) => {
  const { sql } = database === 'payments' ? world.payments : world.sandboxDatabase
  const tables = database === 'payments' ? ['postings', 'refunds', 'attempts', 'payments'] : ['operations']
  const all = (statement: (table: string) => string) => tables.map(statement).join(';')
  await sql(all((table) => `CREATE TABLE kept_${table} AS TABLE ${table}`))
  await sql(edit, values)
  const verdict = await process.verifyLedger()
  tables.reverse()
  await sql(
    `TRUNCATE ${tables.join(', ')} CASCADE;
     ${all((table) => `INSERT INTO ${table} TABLE kept_${table}; DROP TABLE kept_${table}`)}`,
  )
  return verdict
}

const ALTERED = [
  ['one leg', `UPDATE postings SET amount_minor = amount_minor + 1 WHERE movement_id = $1 AND amount_minor > 0`, false],
  ['both legs', `UPDATE postings SET amount_minor = amount_minor * 2 WHERE movement_id = $1`, true],
  ['the time', `UPDATE postings SET posted_at = posted_at + interval '1 microsecond' WHERE movement_id = $1`, true],
  ['the time, to one without end,', `UPDATE postings SET posted_at = 'infinity' WHERE movement_id = $1`, true],
  ['the account', `UPDATE postings SET account = 'bank' WHERE movement_id = $1 AND amount_minor > 0`, true],
  ['the currency', `UPDATE postings SET currency = 'ZZZ' WHERE movement_id = $1`, true],
  ['the digest', `UPDATE postings SET digest = sha256(digest) WHERE movement_id = $1 AND amount_minor > 0`, true],
  [
    'the digest of another one',
    `UPDATE postings p SET digest = o.digest FROM postings o
     WHERE p.movement_id = $1 AND o.movement_id = $1 AND p.account <> o.account`,
    true,
  ],
] as const

test.each(ALTERED)('a posting of which %s was altered by hand is named', async (_what, edit, balanced) => {
  const { transactionId } = await newCompletedPayment(process)
  const charge = await process.store.findAttempt(transactionId)
  const verdict = await harmed('payments', edit, [charge?.id])
  expect(verdict).toMatchObject({
    balanced,
    firstBad: { transactionId, movementId: charge?.id, reason: 'altered' },
  })
  expect(await process.verifyLedger()).toMatchObject({ balanced: true, firstBad: null })
})

test.each([
  ['a movement that was removed', 'DELETE FROM postings WHERE transaction_id = $1', 'missing'],
  [
    'a movement that was added',
    `INSERT INTO postings
     SELECT transaction_id, transaction_id, account, 'bank_transfer', amount_minor, currency, posted_at, digest
     FROM postings WHERE transaction_id = $1`,
    'altered',
  ],
  [
    'an amount of the payment',
    'UPDATE payments SET amount_minor = amount_minor + 1 WHERE transaction_id = $1',
    'state_differs',
  ],
  [
    'a refund that is not there',
    `UPDATE payments SET refunded_minor = 1, status = 'partially_refunded'
     WHERE transaction_id = $1`,
    'state_differs',
  ],
  [
    'a payment that is open again',
    `UPDATE payments SET status = 'processing' WHERE transaction_id = $1`,
    'state_differs',
  ],
  [
    'a charge that is open again',
    `UPDATE attempts SET outcome = NULL, reference = NULL, settled_at = NULL
     WHERE transaction_id = $1`,
    'state_differs',
  ],
])('%s is named', async (_what, edit, reason) => {
  const { transactionId } = await newCompletedPayment(process)
  expect(await harmed('payments', edit, [transactionId])).toMatchObject({ firstBad: { transactionId, reason } })
})

test('a charge that was made to look failed, without a trace in the ledger, is known to the provider', async () => {
  const { transactionId } = await newCompletedPayment(process)
  const edit = `WITH p AS (DELETE FROM postings WHERE transaction_id = '${transactionId}'),
    a AS (UPDATE attempts SET outcome = 'declined', reference = NULL WHERE transaction_id = '${transactionId}')
    UPDATE payments SET status = 'failed', failure_code = 'x' WHERE transaction_id = '${transactionId}'`
  expect(await harmed('payments', edit)).toMatchObject({
    balanced: true,
    firstBad: { transactionId, reason: 'provider_differs' },
  })
})

test.each([
  ['another amount', 'UPDATE operations SET amount_minor = amount_minor + 1 WHERE transaction_id = $1'],
  ['another currency', `UPDATE operations SET currency = 'USD' WHERE transaction_id = $1`],
  ['no charge', 'DELETE FROM operations WHERE transaction_id = $1'],
  [
    'a second charge',
    `INSERT INTO operations (attempt_id, kind, transaction_id, amount_minor, currency, outcome)
     VALUES (gen_random_uuid(), 'charge', $1, 5, 'EUR', 'succeeded')`,
  ],
])('a provider that has %s on record is named', async (_what, edit) => {
  const { transactionId } = await newCompletedPayment(process)
  expect(await harmed('sandbox', edit, [transactionId])).toMatchObject({
    balanced: true,
    firstBad: { transactionId, reason: 'provider_differs' },
  })
})

const STRANGER = '01936f2e-0000-7000-8000-00000000dead'
test.each([
  [
    'charge',
    `INSERT INTO attempts (id, transaction_id, request_key, outcome, reference, started_at, settled_at)
     VALUES ($1, $1, 'k', 'succeeded', 'r', now(), now())`,
  ],
  [
    'refund',
    `INSERT INTO refunds (id, transaction_id, user_id, amount_minor, exponent, currency, status, request_key, created_at, updated_at)
     VALUES ($1, $1, $1, 5, 2, 'EUR', 'succeeded', 'k', now(), now())`,
  ],
])('a %s without a payment, written past the foreign keys, is named', async (_kind, edit) => {
  await newCompletedPayment(process)
  const past = `SET session_replication_role = replica; ${edit.replaceAll('$1', `'${STRANGER}'`)}; RESET session_replication_role`
  expect(await harmed('payments', past)).toMatchObject({
    firstBad: { transactionId: STRANGER, reason: 'state_differs' },
  })
})

test('a charge of a payment that nobody knows is named', async () => {
  const stranger = process.runtime.newId()
  const verdict = await harmed(
    'sandbox',
    `INSERT INTO operations (attempt_id, kind, transaction_id, amount_minor, currency, outcome)
     VALUES ($1, 'charge', $1, 5, 'EUR', 'succeeded')`,
    [stranger],
  )
  expect(verdict.firstBad).toMatchObject({ transactionId: stranger, reason: 'provider_differs' })
})

test('it says the same however much is read at once', async () => {
  const { transactionId } = await newCompletedPayment(process)
  for (const key of ['a', 'b', 'c', 'd']) await refund(transactionId, key, '1.00')
  await newPendingPayment(process)
  const whole = await process.verifyLedger()
  expect(whole.firstBad).toBeNull()
  for (const [paymentsAtOnce, recordsAtOnce] of [
    [1, 1],
    [2, 3],
    [1_000, 2],
  ] as const)
    expect(await process.runtime.as(verifyLedger({ ...process.deps, paymentsAtOnce, recordsAtOnce }))).toEqual(whole)
})

test('it is right while payments go on, and with what has no end yet', async () => {
  const hasty = world.start(HASTY)
  const { transactionId } = await newPendingPayment(hasty, 'tok_timeout_after_charge')
  await hasty.processPayment({ requester: owner, transactionId, key: 'key' })
  let stopped = false
  const busy = Promise.all(
    Array.from({ length: 3 }, async () => {
      while (!stopped) {
        const payment = await newCompletedPayment(process)
        await refund(payment.transactionId, 'a', '1.00')
      }
    }),
  )
  for (let round = 0; round < 3; round++)
    expect(
      await process.runtime.as(verifyLedger({ ...process.deps, paymentsAtOnce: 7, recordsAtOnce: 9 })),
    ).toMatchObject({ balanced: true, firstBad: null })
  stopped = true
  await busy
  await age(world.payments, transactionId, 0)
  await process.reconcile()
  expect(await process.verifyLedger()).toMatchObject({ balanced: true, firstBad: null })
})

test('without a provider that offers its records the ledger is held against the state alone', async () => {
  const verdict = await process.runtime.as(verifyLedger({ store: process.store, provider: undefined }))
  expect(verdict).toMatchObject({ balanced: true, firstBad: null })
  expect(verdict.currencies[0]?.atProvider.record).toBeNull()
})
