import { settleCharge as decide, type Verdict } from '../../domain/attempt.ts'
import type { Payment } from '../../domain/payment.ts'
import type { ProviderDeps } from '../deps.ts'
import { settledEvent } from '../events.ts'

/**
 * Stores the provider's verdict with its event, once: the first writer wins, later ones get what it stored.
 * The provider's verdict on an attempt is final, so it needs no lease.
 */
export const settleCharge =
  ({ store, clock }: Pick<ProviderDeps, 'store' | 'clock'>) =>
  ({ transactionId, verdict }: { transactionId: string; verdict: Verdict }): Promise<Payment> =>
    store.unitOfWork(async (tx) => {
      const payment = await tx.payments.lock(transactionId)
      const attempt = await tx.attempts.ofPayment(transactionId)
      if (!payment || !attempt) throw new Error(`no charge to settle for ${transactionId}`)
      if (attempt.outcome) return payment

      const now = clock.now()
      const settled = decide(payment, verdict, now)
      const reference = verdict.kind === 'succeeded' ? verdict.reference : null
      await tx.payments.update(settled)
      await tx.attempts.settle({ ...attempt, outcome: verdict.kind, reference, settledAt: now })
      await tx.sources.drop(transactionId)
      await tx.leases.close(attempt.id)
      await tx.outbox.append(settledEvent(settled))
      return settled
    })
