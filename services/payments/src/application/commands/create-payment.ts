import { type Clock, type NewId, ok, type Result } from '@ashlar/kernel'
import { type NewPayment, newPayment, type Payment } from '../../domain/payment.ts'
import { createdEvent } from '../events.ts'
import type { PaymentStore } from '../ports.ts'

export type CreatePayment = (
  input: Omit<NewPayment, 'transactionId'> & { source?: string },
) => Promise<Result<Payment, never>>

/** Books a payment that is `pending`; nothing is charged. A source is kept, sealed, for the charge. */
export const createPayment =
  ({ unitOfWork, clock, newId }: Pick<PaymentStore, 'unitOfWork'> & { clock: Clock; newId: NewId }): CreatePayment =>
  ({ source, ...input }) =>
    unitOfWork(async (tx) => {
      const payment = newPayment({ ...input, transactionId: newId() }, clock.now())
      await tx.payments.insert(payment)
      if (source !== undefined) await tx.sources.keep(payment.transactionId, source)
      await tx.outbox.append(createdEvent(payment))
      return ok(payment)
    })
