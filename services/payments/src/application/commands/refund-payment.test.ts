import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  booked,
  createWorld,
  eventsOf,
  newCompletedPayment,
  newPendingPayment,
  type Process,
  typesOf,
  USER,
  type World,
} from '../../../test/harness.ts'

let world: World
let process: Process
beforeAll(async () => {
  world = await createWorld()
  process = world.start()
})
afterAll(() => world.close())

const refund = (transactionId: string, key: string, amount?: string, by = process) =>
  by.refundPayment({ requesterId: USER, transactionId, amount, reason: null, key })

test('refunds in part, then all that is left, and tells of each', async () => {
  const { transactionId } = await newCompletedPayment(process)
  expect(await refund(transactionId, 'a', '60.00')).toMatchObject({
    ok: true,
    value: { status: 'succeeded', money: { minor: 6_000n, currency: 'EUR' } },
  })
  expect(await process.store.find(transactionId)).toMatchObject({ status: 'partially_refunded', refundedMinor: 6_000n })
  expect(await refund(transactionId, 'b')).toMatchObject({ ok: true, value: { money: { minor: 4_000n } } })
  expect(await process.store.find(transactionId)).toMatchObject({ status: 'refunded', refundedMinor: 10_000n })
  expect(await refund(transactionId, 'c')).toEqual({ ok: false, error: 'payment_transition_illegal' })

  const told = (await eventsOf(world.payments, transactionId)).filter(({ type }) => type === 'payment.refunded.v1')
  expect(told.map(({ data }) => [data.amount, data.currency, data.status])).toEqual([
    ['60.00', 'EUR', 'partially_refunded'],
    ['40.00', 'EUR', 'refunded'],
  ])
})

test('what was not paid cannot be refunded', async () => {
  const pending = await newPendingPayment(process)
  expect(await refund(pending.transactionId, 'a')).toEqual({ ok: false, error: 'payment_transition_illegal' })
  const failed = await newCompletedPayment(process, 'tok_declined')
  expect(await refund(failed.transactionId, 'a')).toEqual({ ok: false, error: 'payment_transition_illegal' })
  expect(await refund(process.runtime.newId(), 'a')).toEqual({ ok: false, error: 'not_found' })
})

test('hostile amounts are refused and store nothing', async () => {
  const payment = await newCompletedPayment(process)
  const { transactionId } = payment
  for (const amount of ['0.00', '-1.00', '1', '1.0', '1.000', '01.00', '1e2', ' 1.00', '１.00', '', 'NaN', '1,00'])
    expect(await refund(transactionId, 'a', amount)).toEqual({ ok: false, error: 'amount_malformed' })
  expect(await refund(transactionId, 'a', '100.01')).toEqual({ ok: false, error: 'refund_exceeds_payment' })
  expect(await process.store.find(transactionId)).toEqual(payment)
  expect(await process.store.refundsOf(transactionId, { limit: 10 })).toEqual([])
})

test('tok_refund_declined ends failed and frees its share', async () => {
  const { transactionId } = await newCompletedPayment(process, 'tok_refund_declined')
  for (const key of ['a', 'b'])
    expect(await refund(transactionId, key, '60.00')).toMatchObject({
      ok: true,
      value: { status: 'failed', failure: { code: 'refund_declined' } },
    })
  expect(await process.store.find(transactionId)).toMatchObject({
    status: 'completed',
    refundedMinor: 0n,
    refundPendingMinor: 0n,
  })
  expect(await typesOf(world.payments, transactionId)).not.toContain('payment.refunded.v1')
})

test('of fifty parallel refunds of 60 on 100 exactly one succeeds', async () => {
  const { transactionId } = await newCompletedPayment(process)
  const answers = await Promise.all(
    Array.from({ length: 50 }, (_, index) => refund(transactionId, `key ${index}`, '60.00')),
  )
  expect(answers.filter((answer) => answer.ok)).toHaveLength(1)
  for (const answer of answers) if (!answer.ok) expect(answer.error).toBe('refund_exceeds_payment')
  expect(await booked(process, transactionId)).toEqual(['charge succeeded', 'refund succeeded'])
})

test('one key makes one refund, also when its process died on the way', async () => {
  for (const point of ['payments.refund.started', 'payments.refund.called', 'payments.refund.settled']) {
    const dying = world.start()
    const { transactionId } = await newCompletedPayment(dying)
    dying.runtime.faults.throwAt(point)
    await expect(refund(transactionId, 'mine', '60.00', dying)).rejects.toThrow(point)

    const next = world.start()
    await next.adopt()
    await next.reconcile()
    expect(await refund(transactionId, 'mine', '60.00', next)).toMatchObject({
      ok: true,
      value: { status: 'succeeded' },
    })
    expect(await next.store.find(transactionId)).toMatchObject({ refundedMinor: 6_000n, refundPendingMinor: 0n })
    expect(await booked(next, transactionId)).toEqual(['charge succeeded', 'refund succeeded'])
    expect(
      (await typesOf(world.payments, transactionId)).filter((type) => type === 'payment.refunded.v1'),
    ).toHaveLength(1)
  }
})

test('whatever is asked at the same time, what is given back never exceeds what was paid', async () => {
  const batch = fc.record({
    source: fc.constantFrom('tok_ok', 'tok_ok', 'tok_refund_declined'),
    minor: fc.bigInt({ min: 1n, max: 400n }),
    asks: fc.array(fc.option(fc.bigInt({ min: 1n, max: 300n }), { nil: undefined }), { minLength: 1, maxLength: 8 }),
  })
  await fc.assert(
    fc.asyncProperty(batch, async ({ source, minor, asks }) => {
      const { transactionId } = await newCompletedPayment(process, source, minor)
      await Promise.all(
        asks.map((asked, index) =>
          refund(transactionId, `key ${index}`, asked === undefined ? undefined : wire(asked)),
        ),
      )
      const payment = await process.store.find(transactionId)
      const refunds = await process.store.refundsOf(transactionId, { limit: 100 })
      const given = refunds
        .filter(({ status }) => status === 'succeeded')
        .reduce((sum, { money }) => sum + money.minor, 0n)
      expect(given).toBeLessThanOrEqual(minor)
      expect(payment).toMatchObject({ refundedMinor: given, refundPendingMinor: 0n })
      const atProvider = (await process.sandbox.charges({ transactionId })).filter(
        ({ kind, outcome }) => kind === 'refund' && outcome === 'succeeded',
      )
      expect(atProvider.reduce((sum, { amount }) => sum + BigInt(amount.replace('.', '')), 0n)).toBe(given)
    }),
    { numRuns: 15 },
  )
})

const wire = (minor: bigint): string => `${minor / 100n}.${(minor % 100n).toString().padStart(2, '0')}`
