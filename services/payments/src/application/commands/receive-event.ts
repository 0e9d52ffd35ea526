import type { ProviderDeps } from '../deps.ts'
import { type AttemptRef, type ProviderEvent, withinLimit } from '../provider.ts'
import { settleCharge } from './settle-charge.ts'
import { settleRefund } from './settle-refund.ts'

/** True when the event settled something. */
export type ReceiveEvent = (event: ProviderEvent) => Promise<boolean>

/**
 * Hears a provider's event. It only says where to look: the provider itself is asked how the attempt ended, so an
 * event that is old, late, out of order or about nothing of ours moves nothing, and never a state backwards. Where
 * the provider does not answer, the attempt stays the reconciler's, and a repeat of the event is welcome.
 */
export const receiveEvent =
  (deps: Pick<ProviderDeps, 'store' | 'provider' | 'clock' | 'patience' | 'faults'>): ReceiveEvent =>
  async ({ id: eventId, attemptId, kind, transactionId }) => {
    const { store, provider, patience, faults } = deps
    if (!provider) return false
    const ref = await openAttempt(deps, { attemptId, kind, transactionId })
    if (!ref || (await store.heard(provider.name, eventId))) return false

    const verdict = await withinLimit(patience.callLimitMs, (signal) => provider.find(ref, signal))
    await faults.hit('payments.webhook.asked')
    if (verdict.kind === 'unknown' || verdict.kind === 'not_found') return false
    const heard = { provider: provider.name, eventId }
    if (kind === 'charge') await settleCharge(deps)({ transactionId, verdict, heard })
    else await settleRefund(deps)({ transactionId, refundId: attemptId, verdict, heard })
    return true
  }

/** The attempt that the event is about, if it is one of ours and has no end yet. */
const openAttempt = async (
  { store }: Pick<ProviderDeps, 'store'>,
  about: Omit<AttemptRef, 'money'>,
): Promise<AttemptRef | undefined> => {
  const { attemptId, kind, transactionId } = about
  if (kind === 'refund') {
    const refund = await store.findRefund(transactionId, attemptId)
    return refund?.status === 'pending' ? { ...about, money: refund.money } : undefined
  }
  const attempt = await store.findAttempt(transactionId)
  if (attempt?.id !== attemptId || attempt.outcome !== null) return undefined
  const payment = await store.find(transactionId)
  return payment && { ...about, money: payment.money }
}
