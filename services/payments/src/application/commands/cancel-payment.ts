import { type Clock, err, ok, type Result } from '@ashlar/kernel'
import { mayCancel, maySee, type Requester } from '../../domain/access.ts'
import { change, type Payment } from '../../domain/payment.ts'
import { canceledEvent } from '../events.ts'
import type { PaymentStore, PaymentTx } from '../ports.ts'
import type { Precondition } from '../precondition.ts'

export type CancelPayment = (input: {
  requester: Requester
  transactionId: string
  unchanged?: Precondition
}) => Promise<Result<Payment, 'not_found' | 'forbidden' | 'precondition_failed' | 'payment_transition_illegal'>>

/** Cancels a payment that nothing was charged for yet. It stays, and canceling it again changes nothing. */
export const cancelPayment =
  ({ store, clock }: { store: Pick<PaymentStore, 'unitOfWork'>; clock: Clock }): CancelPayment =>
  ({ requester, transactionId, unchanged }) =>
    store.unitOfWork(async (tx) => {
      const payment = await tx.payments.lock(transactionId)
      if (!payment) return err('not_found')
      if (!mayCancel(payment, requester)) return err(maySee(payment, requester) ? 'forbidden' : 'not_found')
      if (payment.status === 'canceled') return ok(payment)
      if (unchanged?.(payment) === false) return err('precondition_failed')
      if (payment.status !== 'pending') return err('payment_transition_illegal')
      return ok(await cancel(tx, payment, clock.now()))
    })

/** Of a pending payment whose lock is held. Its token has no use any more. */
export const cancel = async (tx: PaymentTx, payment: Payment, now: Date): Promise<Payment> => {
  const canceled = change(payment, { status: 'canceled' }, now)
  await tx.payments.update(canceled)
  await tx.sources.drop(payment.transactionId)
  await tx.outbox.append(canceledEvent(canceled))
  return canceled
}
