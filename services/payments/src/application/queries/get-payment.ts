import { err, ok, type Result } from '@ashlar/kernel'
import { maySee, type Requester } from '../../domain/access.ts'
import type { Payment } from '../../domain/payment.ts'
import type { PaymentStore } from '../ports.ts'

export type GetPayment = (input: {
  requester: Requester
  transactionId: string
}) => Promise<Result<Payment, 'not_found'>>

/** One payment, own or with `payments:read:any`; what the requester may not see is `not_found`. */
export const getPayment =
  ({ store }: { store: Pick<PaymentStore, 'find'> }): GetPayment =>
  async ({ requester, transactionId }) => {
    const payment = await store.find(transactionId)
    return payment && maySee(payment, requester) ? ok(payment) : err('not_found')
  }
