import type { Verdict } from '../../domain/attempt.ts'
import { refundMovement } from '../../domain/ledger.ts'
import { settleRefund as decide, type Refund } from '../../domain/refund.ts'
import type { ProviderDeps } from '../deps.ts'
import { refundedEvent } from '../events.ts'
import type { Heard } from './settle-charge.ts'

/** Stores how a refund ended, once; `payment.refunded` and postings only when it succeeded. */
export const settleRefund =
  ({ store, clock }: Pick<ProviderDeps, 'store' | 'clock'>) =>
  (input: { transactionId: string; refundId: string; verdict: Verdict; heard?: Heard }): Promise<Refund> =>
    store.unitOfWork(async (tx) => {
      const payment = await tx.payments.lock(input.transactionId)
      const refund = await tx.refunds.get(input.transactionId, input.refundId)
      if (!payment || !refund) throw new Error(`no refund ${input.refundId} of ${input.transactionId}`)
      if (refund.status !== 'pending') return refund
      const { heard } = input
      if (heard && !(await tx.providerEvents.first(heard.provider, heard.eventId))) return refund

      const settled = decide(payment, refund, input.verdict, clock.now())
      await tx.payments.update(settled.payment)
      await tx.refunds.settle(settled.refund)
      await tx.leases.close(refund.id)
      if (settled.refund.status === 'succeeded') {
        await tx.ledger.post(refundMovement(settled.refund))
        await tx.outbox.append(refundedEvent(settled.payment, settled.refund))
      }
      return settled.refund
    })
