import fc from 'fast-check'
import { expect, test } from 'vitest'
import { change, newPayment, PAYMENT_STATUSES, type Payment } from './payment.ts'
import { decideRefund, leftMinor, type Refund, reserveRefund, settleRefund } from './refund.ts'

const now = new Date('2026-01-01T00:00:00Z')
const completed = (minor: bigint): Payment => {
  const pending = newPayment(
    {
      transactionId: 't',
      userId: 'u',
      money: { minor, currency: 'EUR' },
      method: 'credit_card',
      description: null,
      metadata: {},
    },
    now,
  )
  return change(change(pending, { status: 'processing' }, now), { status: 'completed' }, now)
}
const refundOf = (minor: bigint): Refund => ({
  id: 'r',
  transactionId: 't',
  userId: 'u',
  money: { minor, currency: 'EUR' },
  status: 'pending',
  reason: null,
  failure: null,
  requestKey: 'k',
  createdAt: now,
  updatedAt: now,
})

test('only what was paid can be refunded', () => {
  for (const status of PAYMENT_STATUSES) {
    const decision = decideRefund({ ...completed(100n), status }, 1n)
    const refundable = status === 'completed' || status === 'partially_refunded'
    expect(decision).toEqual(refundable ? { ok: true, value: 1n } : { ok: false, error: 'payment_transition_illegal' })
  }
})

test('without an amount it takes all that is left, and nothing left is too little', () => {
  const reserved = reserveRefund(completed(100n), 60n, now)
  expect(decideRefund(reserved, undefined)).toEqual({ ok: true, value: 40n })
  expect(decideRefund(reserved, 41n)).toEqual({ ok: false, error: 'refund_exceeds_payment' })
  expect(decideRefund(reserveRefund(reserved, 40n, now), undefined)).toEqual({
    ok: false,
    error: 'refund_exceeds_payment',
  })
})

test('a declined refund frees its share and leaves the status', () => {
  const reserved = reserveRefund(completed(100n), 60n, now)
  const failure = { code: 'refund_declined', message: 'No' }
  const end = settleRefund(reserved, refundOf(60n), { kind: 'declined', failure }, now)
  expect(end.refund).toMatchObject({ status: 'failed', failure })
  expect(end.payment).toMatchObject({ status: 'completed', refundedMinor: 0n, refundPendingMinor: 0n })
  expect(leftMinor(end.payment)).toBe(100n)
})

test('whatever is asked and however it ends, refunds never exceed the payment and no share is lost', () => {
  const step = fc.record({
    asked: fc.option(fc.bigInt({ min: -5n, max: 120n }), { nil: undefined }),
    verdict: fc.constantFrom('succeeded', 'declined', 'voided', 'none'),
    pick: fc.nat(20),
  })
  fc.assert(
    fc.property(fc.bigInt({ min: 1n, max: 100n }), fc.array(step, { maxLength: 40 }), (minor, steps) => {
      let payment = completed(minor)
      const pending: Refund[] = []
      const ends = { succeeded: 0n }
      for (const { asked, verdict, pick } of steps) {
        const decision = decideRefund(payment, asked)
        if (decision.ok) {
          expect(decision.value).toBeGreaterThan(0n)
          payment = reserveRefund(payment, decision.value, now)
          pending.push(refundOf(decision.value))
        }
        const [refund] = verdict === 'none' ? [] : pending.splice(pick % Math.max(1, pending.length), 1)
        if (refund && verdict !== 'none') {
          const failure = { code: 'c', message: 'm' }
          const end = settleRefund(payment, refund, { kind: verdict, reference: 'r', failure }, now)
          payment = end.payment
          if (verdict === 'succeeded') ends.succeeded += refund.money.minor
        }
        const open = pending.reduce((sum, each) => sum + each.money.minor, 0n)
        expect(payment.refundPendingMinor).toBe(open)
        expect(payment.refundedMinor).toBe(ends.succeeded)
        expect(payment.refundedMinor + payment.refundPendingMinor).toBeLessThanOrEqual(minor)
        expect(payment.status).toBe(
          ends.succeeded === 0n ? 'completed' : ends.succeeded === minor ? 'refunded' : 'partially_refunded',
        )
      }
    }),
  )
})
