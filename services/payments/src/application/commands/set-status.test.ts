import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  booked,
  createWorld,
  eventsOf,
  HASTY,
  newCompletedPayment,
  newPendingPayment,
  owner,
  type Process,
  typesOf,
  USER,
  type World,
} from '../../../test/harness.ts'
import { decideByHand } from '../../domain/by-hand.ts'
import { newPayment, PAYMENT_STATUSES, type PaymentMethod } from '../../domain/payment.ts'
import type { PaymentProvider } from '../provider.ts'

let world: World
let process: Process
let hasty: Process
beforeAll(async () => {
  world = await createWorld()
  process = world.start()
  hasty = world.start(HASTY)
})
afterAll(async () => {
  // Whatever was tried, nothing may have left the ledger wrong.
  const verdict = await process.verifyLedger()
  await world.close()
  expect(verdict).toMatchObject({ balanced: true, firstBad: null })
})

const newTransfer = async (): Promise<string> => {
  const created = await process.createPayment({
    userId: USER,
    money: { minor: 10_000n, currency: 'EUR' },
    method: 'bank_transfer',
    source: 'tok_ok',
    description: null,
    metadata: {},
  })
  if (!created.ok) throw new Error('not created')
  return created.value.transactionId
}
/** A payment whose charge has no end yet: the provider did not answer in time. */
const newProcessing = async (source: string, by = hasty): Promise<string> => {
  const { transactionId } = await newPendingPayment(by, source)
  const result = await by.processPayment({ requester: owner, transactionId, key: 'key' })
  expect(result).toMatchObject({ ok: true, value: { status: 'processing' } })
  return transactionId
}
const sources = (transactionId: string) =>
  world.payments.sql('SELECT 1 FROM payment_sources WHERE transaction_id = $1', [transactionId])

test('by hand a payment moves as specified and in no other way', () => {
  const moves = (['credit_card', 'debit_card', 'paypal', 'bank_transfer'] as PaymentMethod[]).flatMap((method) =>
    PAYMENT_STATUSES.flatMap((status) =>
      PAYMENT_STATUSES.flatMap((to) => {
        const input = { transactionId: 't', userId: 'u', money: { minor: 1n, currency: 'EUR' }, method }
        const payment = { ...newPayment({ ...input, description: null, metadata: {} }, new Date(0)), status }
        return decideByHand(payment, to) === 'illegal' ? [] : [`${method}: ${status} → ${to}`]
      }),
    ),
  )
  expect(moves).toEqual([
    'credit_card: pending → canceled',
    'credit_card: processing → failed',
    'debit_card: pending → canceled',
    'debit_card: processing → failed',
    'paypal: pending → canceled',
    'paypal: processing → failed',
    'bank_transfer: pending → completed',
    'bank_transfer: pending → canceled',
    'bank_transfer: processing → failed',
  ])
})

test('a pending payment is canceled, with its event, and its token is forgotten', async () => {
  const { transactionId } = await newPendingPayment(process)
  const result = await process.setStatus({ transactionId, status: 'canceled' })
  expect(result).toMatchObject({ ok: true, value: { status: 'canceled', version: 2, failure: null } })
  expect((await eventsOf(world.payments, transactionId)).at(-1)).toEqual({
    type: 'payment.canceled.v1',
    sequence: 2,
    data: {
      transactionId,
      userId: USER,
      status: 'canceled',
      amount: '100.00',
      currency: 'EUR',
      timestamp: expect.any(String),
    },
  })
  expect(await sources(transactionId)).toEqual([])
  for (const status of PAYMENT_STATUSES)
    expect(await process.setStatus({ transactionId, status, reason: 'x' })).toEqual({
      ok: false,
      error: 'payment_transition_illegal',
    })
  expect(await process.processPayment({ requester: owner, transactionId, key: 'k' })).toEqual({
    ok: false,
    error: 'payment_transition_illegal',
  })
})

test('a bank transfer is completed with a reason, and only with one; nothing is charged', async () => {
  const transactionId = await newTransfer()
  expect(await process.setStatus({ transactionId, status: 'completed' })).toEqual({
    ok: false,
    error: 'reason_required',
  })
  expect(await process.store.find(transactionId)).toMatchObject({ status: 'pending', version: 1 })
  const result = await process.setStatus({ transactionId, status: 'completed', reason: 'on the statement of 1 March' })
  expect(result).toMatchObject({ ok: true, value: { status: 'completed', version: 2, attempts: 0 } })
  expect(await typesOf(world.payments, transactionId)).toEqual(['payment.created.v1', 'payment.processed.v1'])
  expect(await booked(process, transactionId)).toEqual([])
  expect(await sources(transactionId)).toEqual([])
})

test('the reason goes into the trail with the change', async () => {
  const transactionId = await newTransfer()
  const slot = `reason_${transactionId.replaceAll('-', '_').slice(-12)}`
  await world.payments.sql(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [slot])
  await process.setStatus({ transactionId, status: 'completed', reason: 'seen with my own eyes' })
  // Clusters of tests commit asynchronously, and decoding sees only what was flushed.
  await world.payments.sql(`SELECT pg_logical_emit_message(false, 'flush', '', true)`)
  const rows = await world.payments.sql<{ data: Buffer }>(
    `SELECT data FROM pg_logical_slot_peek_binary_changes($1, NULL, NULL, 'proto_version', '1',
       'publication_names', (SELECT pubname::text FROM pg_publication), 'messages', 'true')`,
    [slot],
  )
  await world.payments.sql('SELECT pg_drop_replication_slot($1)', [slot])
  const wal = Buffer.concat(rows.map(({ data }) => data)).toString('utf8')
  expect(wal).toContain('"reason":"seen with my own eyes"')
})

test('what is neither pending nor processing, and what is not there, is refused', async () => {
  const { transactionId } = await newCompletedPayment(process)
  for (const status of PAYMENT_STATUSES)
    expect(await process.setStatus({ transactionId, status, reason: 'x' })).toEqual({
      ok: false,
      error: 'payment_transition_illegal',
    })
  expect(await process.setStatus({ transactionId: process.runtime.newId(), status: 'canceled' })).toEqual({
    ok: false,
    error: 'not_found',
  })
})

test('a payment that changed since the caller saw it is left alone', async () => {
  const { transactionId } = await newPendingPayment(process)
  const unchanged = ({ version }: { version: number }) => version === 7
  expect(await process.setStatus({ transactionId, status: 'canceled', unchanged })).toEqual({
    ok: false,
    error: 'precondition_failed',
  })
  expect(await process.store.find(transactionId)).toMatchObject({ status: 'pending', version: 1 })
})

test('a processing payment fails when the provider holds nothing, and a late arrival of its call is refused', async () => {
  const transactionId = await newProcessing('tok_timeout_before_charge')
  const result = await process.setStatus({ transactionId, status: 'failed', reason: 'the customer asked for it' })
  expect(result).toMatchObject({ ok: true, value: { status: 'failed', failure: { code: 'provider_unavailable' } } })
  expect(await typesOf(world.payments, transactionId)).toEqual(['payment.created.v1', 'payment.failed.v1'])

  const attempt = await process.store.findAttempt(transactionId)
  const late = await process.runtime.as(() =>
    process.sandbox.charge(
      {
        attemptId: attempt?.id ?? '',
        kind: 'charge',
        transactionId,
        money: { minor: 10_000n, currency: 'EUR' },
        method: 'credit_card',
        source: 'tok_ok',
      },
      AbortSignal.timeout(5_000),
    ),
  )
  expect(late).toEqual({ kind: 'voided' })
})

test('a processing payment that the provider holds a charge for is completed instead', async () => {
  const transactionId = await newProcessing('tok_timeout_after_charge')
  expect(await process.setStatus({ transactionId, status: 'failed' })).toEqual({
    ok: false,
    error: 'payment_transition_illegal',
  })
  expect(await process.store.find(transactionId)).toMatchObject({ status: 'completed' })
  expect(await typesOf(world.payments, transactionId)).toEqual(['payment.created.v1', 'payment.processed.v1'])
  expect(await booked(process, transactionId)).toEqual(['charge succeeded'])
})

const silent = async (): Promise<never> => {
  throw new Error('connection refused')
}
const mute = (which: 'void' | 'find') =>
  world.start({ provider: (sandbox): PaymentProvider => ({ ...sandbox, [which]: silent }) })

test.each(['void', 'find'] as const)('a provider that does not answer to %s leaves it processing', async (which) => {
  const transactionId = await newProcessing('tok_timeout_before_charge')
  expect(await mute(which).setStatus({ transactionId, status: 'failed' })).toEqual({
    ok: false,
    error: 'dependency_unavailable',
  })
  expect(await process.store.find(transactionId)).toMatchObject({ status: 'processing' })
  expect(await process.setStatus({ transactionId, status: 'failed' })).toMatchObject({ value: { status: 'failed' } })
})

test('without a provider nothing can be failed', async () => {
  const transactionId = await newProcessing('tok_timeout_before_charge')
  const bare = world.start({ provider: () => undefined as never })
  expect(await bare.setStatus({ transactionId, status: 'failed' })).toEqual({
    ok: false,
    error: 'provider_not_configured',
  })
})

test('of canceling and processing at the same time one wins, and what happened is what is told', async () => {
  const ends = new Set<string>()
  for (let round = 0; round < 12; round++) {
    const { transactionId } = await newPendingPayment(process)
    const cancel = () =>
      round % 2 === 0
        ? process.setStatus({ transactionId, status: 'canceled' })
        : process.cancelPayment({ requester: owner, transactionId })
    const pay = () => process.processPayment({ requester: owner, transactionId, key: 'key' })
    const [first, second] = round % 4 < 2 ? [cancel, pay] : [pay, cancel]
    const answers = await Promise.all([first(), second()])
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1)
    expect(answers.find(({ ok }) => !ok)).toEqual({ ok: false, error: 'payment_transition_illegal' })
    const payment = await process.store.find(transactionId)
    const charged = payment?.status === 'completed'
    ends.add(payment?.status ?? '')
    expect(await booked(process, transactionId)).toEqual(charged ? ['charge succeeded'] : [])
    expect(await typesOf(world.payments, transactionId)).toEqual([
      'payment.created.v1',
      charged ? 'payment.processed.v1' : 'payment.canceled.v1',
    ])
  }
  expect([...ends].sort()).toEqual(['canceled', 'completed'])
})

test('of failing and settling at the same time one wins, and it is what the provider booked', async () => {
  for (const source of ['tok_timeout_after_charge', 'tok_timeout_before_charge', 'tok_timeout_after_charge']) {
    const transactionId = await newProcessing(source)
    const attempt = await process.store.findAttempt(transactionId)
    const event = { id: process.runtime.newId(), attemptId: attempt?.id ?? '', kind: 'charge' as const, transactionId }
    await world.payments.sql('UPDATE attempt_leases SET leased_until = now(), look_at = now()')
    const [put] = await Promise.all([
      process.setStatus({ transactionId, status: 'failed' }),
      process.receiveEvent(event),
      process.reconcile(),
    ])
    const payment = await process.store.find(transactionId)
    const charged = (await booked(process, transactionId)).includes('charge succeeded')
    expect(payment?.status).toBe(charged ? 'completed' : 'failed')
    expect(put.ok).toBe(!charged)
    expect((await typesOf(world.payments, transactionId)).slice(1)).toEqual([
      charged ? 'payment.processed.v1' : 'payment.failed.v1',
    ])
  }
})
