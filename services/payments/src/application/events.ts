import { formatAmount } from '@ashlar/kernel'
import type { NewEvent } from '@ashlar/platform/events'
import { paymentCanceled, paymentCreated, paymentFailed, paymentProcessed, paymentRefunded } from '../contract.ts'
import { amountOf, type Payment } from '../domain/payment.ts'
import type { Refund } from '../domain/refund.ts'

const about = (payment: Payment) => ({ subject: payment.transactionId, sequence: payment.version })

export const createdEvent = (payment: Payment): NewEvent =>
  paymentCreated.of({
    ...about(payment),
    data: {
      transactionId: payment.transactionId,
      userId: payment.userId,
      amount: amountOf(payment),
      currency: payment.money.currency,
      method: payment.method,
      timestamp: payment.createdAt.toISOString(),
    },
  })

const dataOf = (payment: Payment) => ({
  transactionId: payment.transactionId,
  userId: payment.userId,
  amount: amountOf(payment),
  currency: payment.money.currency,
  timestamp: payment.updatedAt.toISOString(),
})

export const canceledEvent = (payment: Payment): NewEvent =>
  paymentCanceled.of({ ...about(payment), data: { ...dataOf(payment), status: 'canceled' } })

/** What a payment that ended tells: `payment.processed` when completed, `payment.failed` alone otherwise. */
export const settledEvent = (payment: Payment): NewEvent => {
  const data = dataOf(payment)
  if (payment.failure)
    return paymentFailed.of({
      ...about(payment),
      data: { ...data, status: 'failed', errorMessage: payment.failure.message },
    })
  return paymentProcessed.of({ ...about(payment), data: { ...data, status: 'completed' } })
}

export const refundedEvent = (payment: Payment, refund: Refund): NewEvent =>
  paymentRefunded.of({
    ...about(payment),
    data: {
      transactionId: payment.transactionId,
      userId: payment.userId,
      refundId: refund.id,
      status: payment.status === 'refunded' ? 'refunded' : 'partially_refunded',
      amount: formatAmount(refund.money),
      currency: refund.money.currency,
      timestamp: refund.updatedAt.toISOString(),
    },
  })
