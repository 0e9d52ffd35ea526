import type { UnitOfWork } from '@ashlar/platform/postgres'
import type { Metrics } from '@ashlar/platform/telemetry'
import type { PaymentTx } from '../application/ports.ts'
import type { Payment } from '../domain/payment.ts'

/** Counts payments as they enter each status, once the unit of work that moved them is committed. */
export const countPayments = <Tx extends PaymentTx>(unitOfWork: UnitOfWork<Tx>, metrics: Metrics): UnitOfWork<Tx> => {
  const total = metrics.counter('payments_total', 'Payments that entered a status', ['status', 'currency'])
  return async (work) => {
    const entered: Payment[] = []
    const value = await unitOfWork((tx) => {
      // A unit of work that is run again starts its count anew.
      entered.length = 0
      let before: Payment['status'] | undefined
      const payments: PaymentTx['payments'] = {
        insert: async (payment) => {
          await tx.payments.insert(payment)
          entered.push(payment)
        },
        lock: async (transactionId) => {
          const payment = await tx.payments.lock(transactionId)
          before = payment?.status
          return payment
        },
        update: async (payment) => {
          await tx.payments.update(payment)
          if (payment.status !== before) entered.push(payment)
          before = payment.status
        },
      }
      return work({ ...tx, payments })
    })
    for (const { status, money } of entered) total.inc({ status, currency: money.currency })
    return value
  }
}
