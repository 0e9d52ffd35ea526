import { unreachable } from '@ashlar/kernel'
import { serviceContext } from '@ashlar/platform/context'
import { judgeAttempt, nextLookMs, type Unknown, type Verdict } from '../../domain/attempt.ts'
import { LEASE_MARGIN_MS, type ProviderDeps } from '../deps.ts'
import type { Lease, PaymentStore } from '../ports.ts'
import { type AttemptRef, type PaymentProvider, withinLimit } from '../provider.ts'
import { settleCharge } from './settle-charge.ts'
import { settleRefund } from './settle-refund.ts'

/** Looks at the same time. With every call at its limit, this many attempts get their look within two limits. */
const BATCH = 32

export type ReconcileDeps = ProviderDeps & {
  /** Told of a look that failed, e.g. to log it. */
  report: (error: unknown, lease: Lease) => void
}

export type Reconciled = { looked: number; settled: number }

/**
 * Looks at each attempt whose end is not known and whose look is due: asks the provider, repeats the same
 * attempt while it is young, voids it afterwards. Never makes a new attempt, so never a second charge.
 */
export const reconcileAttempts = (deps: ReconcileDeps) => async (): Promise<Reconciled> => {
  const { store, provider, patience } = deps
  if (!provider) return { looked: 0, settled: 0 }
  // Two calls may be made under one lease: the question, and the repeat or the void.
  const leases = await store.claimDue(deps.instanceId, 2 * patience.callLimitMs + LEASE_MARGIN_MS, BATCH)
  const ends = await Promise.all(
    leases.map((lease) =>
      // The work belongs to the request that began the attempt: same request id, same trace.
      deps.context.run(serviceContext('payments', lease), () =>
        look(deps, provider, lease).catch((error: unknown) => {
          // Its lease runs out by itself, then it is looked at again; the others must not wait for that.
          deps.report(error, lease)
          return false
        }),
      ),
    ),
  )
  return { looked: leases.length, settled: ends.filter(Boolean).length }
}

/** True when the attempt was settled. */
const look = async (deps: ReconcileDeps, provider: PaymentProvider, lease: Lease): Promise<boolean> => {
  const { store, faults, patience } = deps
  const verdict = await seek(deps, provider, lease)
  await faults.hit('payments.reconcile.answered')
  if (verdict.kind === 'unknown') {
    await store.postpone(lease.attemptId, lease.owner, nextLookMs(lease.looks, lease.ageMs, patience))
    return false
  }
  const { transactionId } = lease
  if (lease.kind === 'charge') await settleCharge(deps)({ transactionId, verdict })
  else await settleRefund(deps)({ transactionId, refundId: lease.attemptId, verdict })
  return true
}

const seek = async (
  { store, patience }: ReconcileDeps,
  provider: PaymentProvider,
  lease: Lease,
): Promise<Verdict | Unknown> => {
  const limit = <T>(send: (signal: AbortSignal) => Promise<T>) => withinLimit(patience.callLimitMs, send)
  const ref = await refOf(store, lease)
  const found = await limit((signal) => provider.find(ref, signal))
  const judgement = judgeAttempt(found.kind, lease.ageMs, patience)
  switch (judgement) {
    case 'settle':
    case 'wait':
      return found.kind === 'not_found' ? { kind: 'unknown', cause: 'not found' } : found
    case 'repeat': {
      const repeat = await repeatOf(store, provider, ref)
      return repeat ? limit(repeat) : { kind: 'unknown', cause: 'what the first call was made with is gone' }
    }
    case 'void':
      return limit((signal) => provider.void(ref, signal))
    default:
      return unreachable(judgement)
  }
}

const refOf = async (store: PaymentStore, { attemptId, kind, transactionId }: Lease): Promise<AttemptRef> => {
  const holder = kind === 'charge' ? await store.find(transactionId) : await store.findRefund(transactionId, attemptId)
  if (!holder) throw new Error(`${kind} ${attemptId} of ${transactionId} has no row`)
  return { attemptId, kind, transactionId, money: holder.money }
}

/** The call exactly as it was made first: what changes between repeats would defeat the provider's key. */
const repeatOf = async (
  store: PaymentStore,
  provider: PaymentProvider,
  ref: AttemptRef,
): Promise<((signal: AbortSignal) => Promise<Verdict>) | undefined> => {
  if (ref.kind === 'charge') {
    const payment = await store.find(ref.transactionId)
    const source = await store.source(ref.transactionId)
    if (!payment || source === undefined) return undefined
    return (signal) => provider.charge({ ...ref, kind: 'charge', method: payment.method, source }, signal)
  }
  const charge = await store.findAttempt(ref.transactionId)
  const chargeReference = charge?.reference
  return chargeReference ? (signal) => provider.refund({ ...ref, kind: 'refund', chargeReference }, signal) : undefined
}
