import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  age,
  booked,
  createWorld,
  HASTY,
  newCompletedPayment,
  newPendingPayment,
  owner,
  type Process,
  typesOf,
  USER,
  type World,
} from '../../../test/harness.ts'
import type { PaymentProvider } from '../provider.ts'
import { processPayment } from './process-payment.ts'

let world: World
let process: Process
/** Begins what hangs. */
let hasty: Process
beforeAll(async () => {
  world = await createWorld()
  process = world.start()
  hasty = world.start(HASTY)
})
afterAll(() => world.close())

const begin = async (source: string, by = hasty): Promise<string> => {
  const { transactionId } = await newPendingPayment(by, source)
  const result = await by.processPayment({ requester: owner, transactionId, key: 'key' })
  expect(result).toMatchObject({ ok: true, value: { status: 'processing' } })
  return transactionId
}
const statusOf = async (transactionId: string) => (await process.store.find(transactionId))?.status

test('tok_timeout_after_charge is settled as completed by asking, with one charge', async () => {
  const id = await begin('tok_timeout_after_charge')
  await age(world.payments, id, 0)
  await process.reconcile()
  expect(await statusOf(id)).toBe('completed')
  const [charge, ...more] = await process.sandbox.charges({ transactionId: id })
  expect(more).toEqual([])
  expect(charge).toMatchObject({ outcome: 'succeeded', receivedCount: 1 })
  expect(await typesOf(world.payments, id)).toEqual(['payment.created.v1', 'payment.processed.v1'])
})

test('tok_timeout_before_charge is settled by repeating the same attempt', async () => {
  const id = await begin('tok_timeout_before_charge')
  await age(world.payments, id, 0)
  await process.reconcile()
  expect(await statusOf(id)).toBe('completed')
  const [charge, ...more] = await process.sandbox.charges({ transactionId: id })
  expect(more).toEqual([])
  expect(charge).toMatchObject({ outcome: 'succeeded', receivedCount: 2 })
})

test('tok_unavailable is repeated while young, then ends failed by void, and a late charge is refused', async () => {
  const id = await begin('tok_unavailable')
  await age(world.payments, id, 10)
  await process.reconcile()
  expect(await statusOf(id)).toBe('processing')
  expect(await booked(process, id)).toEqual([])

  await age(world.payments, id, 60)
  await process.reconcile()
  expect(await process.store.find(id)).toMatchObject({ status: 'failed', failure: { code: 'provider_unavailable' } })
  expect(await booked(process, id)).toEqual(['void voided'])
  expect(await typesOf(world.payments, id)).toEqual(['payment.created.v1', 'payment.failed.v1'])

  const attempt = await process.store.findAttempt(id)
  const late = await process.runtime.as(() =>
    process.sandbox.charge(
      {
        attemptId: attempt?.id ?? '',
        kind: 'charge',
        transactionId: id,
        money: { minor: 10_000n, currency: 'EUR' },
        method: 'credit_card',
        source: 'tok_ok',
      },
      new AbortController().signal,
    ),
  )
  expect(late).toEqual({ kind: 'voided' })
  expect(await booked(process, id)).toEqual(['void voided', 'charge voided'])
})

test('while the provider does not answer at all, nothing is decided, however old', async () => {
  const silent = world.start({ ...HASTY, provider: (sandbox) => ({ ...sandbox, find: refuse, void: refuse }) })
  const id = await begin('tok_timeout_before_charge', silent)
  await age(world.payments, id, 100_000)
  await silent.reconcile()
  expect(await statusOf(id)).toBe('processing')
  expect(await booked(silent, id)).toEqual([])

  await age(world.payments, id, 0)
  await process.reconcile()
  expect(await statusOf(id)).toBe('failed')
})

test('an old attempt that was charged is completed, not voided', async () => {
  const id = await begin('tok_timeout_after_charge')
  await age(world.payments, id, 100_000)
  await process.reconcile()
  expect(await statusOf(id)).toBe('completed')
  expect(await booked(process, id)).toEqual(['charge succeeded'])
})

test('many reconcilers at once settle an attempt once', async () => {
  const id = await begin('tok_timeout_before_charge')
  const others = [process, ...Array.from({ length: 4 }, () => world.start())]
  await age(world.payments, id, 0)
  await Promise.all(others.map((each) => each.reconcile()))
  expect(await statusOf(id)).toBe('completed')
  const [charge, ...more] = await process.sandbox.charges({ transactionId: id })
  expect(more).toEqual([])
  expect(charge?.receivedCount).toBe(2)
  expect(await typesOf(world.payments, id)).toEqual(['payment.created.v1', 'payment.processed.v1'])
})

test('a living call is not interfered with', async () => {
  const { transactionId } = await newPendingPayment(process)
  const paused = process.runtime.faults.pauseAt('payments.process.started')
  const paying = process.processPayment({ requester: owner, transactionId, key: 'key' })
  await paused.reached
  const other = world.start()
  expect(await other.store.forfeit(() => true)).toBe(0)
  expect(await other.reconcile()).toEqual({ looked: 0, settled: 0 })
  paused.release()
  expect(await paying).toMatchObject({ value: { status: 'completed' } })
})

test('a lease that ran out while its owner was still at it does no harm', async () => {
  const { transactionId } = await newPendingPayment(process)
  const paused = process.runtime.faults.pauseAt('payments.process.charged')
  const paying = process.processPayment({ requester: owner, transactionId, key: 'key' })
  await paused.reached
  await age(world.payments, transactionId, 0)
  expect(await world.start().reconcile()).toEqual({ looked: 1, settled: 1 })
  paused.release()
  expect(await paying).toMatchObject({ ok: true, value: { status: 'completed', version: 3 } })
  expect(await booked(process, transactionId)).toEqual(['charge succeeded'])
  expect(await typesOf(world.payments, transactionId)).toEqual(['payment.created.v1', 'payment.processed.v1'])
})

test('a charge that succeeded just before its void is completed', async () => {
  const racing = world.start({
    ...HASTY,
    provider: (sandbox): PaymentProvider => ({
      ...sandbox,
      // The first call arrives between the question and the void.
      void: async (ref, signal) => {
        await sandbox.charge({ ...ref, kind: 'charge', method: 'credit_card', source: 'tok_ok' }, signal)
        return sandbox.void(ref, signal)
      },
    }),
  })
  const id = await begin('tok_timeout_before_charge', racing)
  await age(world.payments, id, 100)
  await racing.reconcile()
  expect(await statusOf(id)).toBe('completed')
  expect(await booked(racing, id)).toEqual(['charge succeeded'])
})

test('what the reconciler does belongs to the request that began it', async () => {
  const { transactionId } = await newPendingPayment(process, 'tok_timeout_after_charge')
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  await hasty.runtime.as(
    () => processPayment(hasty.deps)({ requester: owner, transactionId, key: 'key' }),
    { type: 'user', id: USER },
    { requestId: 'asked-by-a-person', traceparent },
  )
  await age(world.payments, transactionId, 0)
  await process.reconcile()
  const [row] = await world.payments.sql<{ envelope: Record<string, string> }>(
    `SELECT envelope FROM outbox WHERE envelope ->> 'subject' = $1 ORDER BY id DESC LIMIT 1`,
    [transactionId],
  )
  expect(row?.envelope).toMatchObject({
    type: 'payment.processed.v1',
    actor: 'service:payments',
    correlationid: 'asked-by-a-person',
    traceparent: expect.stringContaining('0af7651916cd43dd8448eb211c80319c'),
  })
})

const beginRefund = async (source: string, amount: string) => {
  const payment = await newCompletedPayment(process, source)
  const result = await hasty.refundPayment({
    requesterId: USER,
    transactionId: payment.transactionId,
    amount,
    reason: null,
    key: 'refund',
  })
  return { id: payment.transactionId, result }
}

test('tok_refund_timeout is pending, holds its share, and is settled as succeeded', async () => {
  const { id, result } = await beginRefund('tok_refund_timeout', '60.00')
  expect(result).toMatchObject({ ok: true, value: { status: 'pending' } })
  const more = await process.refundPayment({
    requesterId: USER,
    transactionId: id,
    amount: '41.00',
    reason: null,
    key: 'more',
  })
  expect(more).toEqual({ ok: false, error: 'refund_exceeds_payment' })
  expect(await typesOf(world.payments, id)).not.toContain('payment.refunded.v1')

  await age(world.payments, id, 0)
  await process.reconcile()
  expect(await process.store.find(id)).toMatchObject({
    status: 'partially_refunded',
    refundedMinor: 6_000n,
    refundPendingMinor: 0n,
  })
  expect((await typesOf(world.payments, id)).filter((type) => type === 'payment.refunded.v1')).toHaveLength(1)
  expect(await booked(process, id)).toEqual(['charge succeeded', 'refund succeeded'])
})

test('a refund that two owners settle is given back once', async () => {
  const { transactionId } = await newCompletedPayment(process)
  const paused = process.runtime.faults.pauseAt('payments.refund.called')
  const refunding = process.refundPayment({
    requesterId: USER,
    transactionId,
    amount: '60.00',
    reason: null,
    key: 'refund',
  })
  await paused.reached
  await age(world.payments, transactionId, 0)
  expect(await world.start().reconcile()).toEqual({ looked: 1, settled: 1 })
  paused.release()
  expect(await refunding).toMatchObject({ ok: true, value: { status: 'succeeded' } })
  expect(await process.store.find(transactionId)).toMatchObject({ refundedMinor: 6_000n, refundPendingMinor: 0n })
  expect((await typesOf(world.payments, transactionId)).filter((type) => type === 'payment.refunded.v1')).toHaveLength(
    1,
  )
})

test('a refund that never reached the provider is voided in the end and frees its share', async () => {
  const cut = world.start({ provider: (sandbox) => ({ ...sandbox, refund: refuse }) })
  const payment = await newCompletedPayment(cut)
  const id = payment.transactionId
  const refund = { requesterId: USER, transactionId: id, reason: null }
  expect(await cut.refundPayment({ ...refund, key: 'a' })).toMatchObject({ value: { status: 'pending' } })
  await age(world.payments, id, 100)
  await cut.reconcile()
  expect(await process.store.find(id)).toMatchObject({ status: 'completed', refundedMinor: 0n, refundPendingMinor: 0n })
  expect(await typesOf(world.payments, id)).not.toContain('payment.refunded.v1')
  expect(await process.refundPayment({ ...refund, key: 'b' })).toMatchObject({ value: { status: 'succeeded' } })
  expect(await process.store.find(id)).toMatchObject({ status: 'refunded', refundedMinor: 10_000n })
})

const refuse = async (): Promise<never> => {
  throw new Error('connection refused')
}
