import { type Attempt, settleCharge as decide, type Verdict } from '../../domain/attempt.ts'
import { chargeMovement } from '../../domain/ledger.ts'
import type { Payment } from '../../domain/payment.ts'
import type { ProviderDeps } from '../deps.ts'
import { settledEvent } from '../events.ts'

/** The provider's own event that brought the news; heard in the transaction of its effect. */
export type Heard = { provider: string; eventId: string }

/**
 * Stores the provider's verdict with its event and its postings, once: the first writer wins, later ones get what it
 * stored. The provider's verdict on an attempt is final, so it needs no lease.
 */
export const settleCharge =
  ({ store, clock }: Pick<ProviderDeps, 'store' | 'clock'>) =>
  ({ transactionId, verdict, heard }: { transactionId: string; verdict: Verdict; heard?: Heard }): Promise<Payment> =>
    store.unitOfWork(async (tx) => {
      const payment = await tx.payments.lock(transactionId)
      const attempt = await tx.attempts.ofPayment(transactionId)
      if (!payment || !attempt) throw new Error(`no charge to settle for ${transactionId}`)
      if (attempt.outcome) return payment
      if (heard && !(await tx.providerEvents.first(heard.provider, heard.eventId))) return payment

      const now = clock.now()
      const settled = decide(payment, verdict, now)
      const reference = verdict.kind === 'succeeded' ? verdict.reference : null
      const ended = { ...attempt, outcome: verdict.kind, reference, settledAt: now } satisfies Attempt
      await tx.payments.update(settled)
      await tx.attempts.settle(ended)
      if (verdict.kind === 'succeeded') await tx.ledger.post(chargeMovement(settled, ended))
      await tx.sources.drop(transactionId)
      await tx.leases.close(attempt.id)
      await tx.outbox.append(settledEvent(settled))
      return settled
    })
