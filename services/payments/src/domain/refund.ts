import { err, type Money, ok, type Result } from '@ashlar/kernel'
import { type Verdict, VOIDED } from './attempt.ts'
import { change, type Failure, type Payment } from './payment.ts'

export type RefundStatus = 'pending' | 'succeeded' | 'failed'

/** One refund. Its id is the provider's idempotency key. */
export type Refund = {
  readonly id: string
  readonly transactionId: string
  readonly userId: string
  readonly money: Money
  readonly status: RefundStatus
  readonly reason: string | null
  readonly failure: Failure | null
  readonly requestKey: string
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** What a further refund may take: the amount less what was given back and what is under way. */
export const leftMinor = (payment: Payment): bigint =>
  payment.money.minor - payment.refundedMinor - payment.refundPendingMinor

/** How much a request to refund gets, in minor units; without an amount all that is left. */
export const decideRefund = (
  payment: Payment,
  askedMinor: bigint | undefined,
): Result<bigint, 'payment_transition_illegal' | 'refund_exceeds_payment'> => {
  if (payment.status !== 'completed' && payment.status !== 'partially_refunded')
    return err('payment_transition_illegal')
  const left = leftMinor(payment)
  const minor = askedMinor ?? left
  return minor > 0n && minor <= left ? ok(minor) : err('refund_exceeds_payment')
}

/** Sets a share aside before the provider is called, so that no parallel refund can take it. */
export const reserveRefund = (payment: Payment, minor: bigint, now: Date): Payment =>
  change(payment, { refundPendingMinor: payment.refundPendingMinor + minor }, now)

/** Ends a pending refund: its share is given back, or free again. */
export const settleRefund = (
  payment: Payment,
  refund: Refund,
  verdict: Verdict,
  now: Date,
): { payment: Payment; refund: Refund } => {
  const refundPendingMinor = payment.refundPendingMinor - refund.money.minor
  if (verdict.kind !== 'succeeded') {
    const failure = verdict.kind === 'declined' ? verdict.failure : VOIDED
    return {
      payment: change(payment, { refundPendingMinor }, now),
      refund: { ...refund, status: 'failed', failure, updatedAt: now },
    }
  }
  const refundedMinor = payment.refundedMinor + refund.money.minor
  const status = refundedMinor === payment.money.minor ? 'refunded' : 'partially_refunded'
  return {
    payment: change(payment, { status, refundedMinor, refundPendingMinor }, now),
    refund: { ...refund, status: 'succeeded', updatedAt: now },
  }
}
