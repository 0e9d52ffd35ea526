import { err, ok, type Result, unreachable } from '@ashlar/kernel'
import { mayProcess, maySee, type Requester } from '../../domain/access.ts'
import { type Attempt, chooseSource, decideProcess } from '../../domain/attempt.ts'
import { change, type Payment } from '../../domain/payment.ts'
import { LEASE_MARGIN_MS, type ProviderDeps } from '../deps.ts'
import type { PaymentTx } from '../ports.ts'
import type { Precondition } from '../precondition.ts'
import { withinLimit } from '../provider.ts'
import { settleCharge } from './settle-charge.ts'

type Code =
  | 'not_found'
  | 'forbidden'
  | 'precondition_failed'
  | 'payment_transition_illegal'
  | 'source_required'
  | 'source_unknown'
  | 'provider_not_configured'

export type ProcessPayment = (input: {
  requester: Requester
  transactionId: string
  source?: string
  key: string
  unchanged?: Precondition
}) => Promise<Result<Payment, Code>>

/**
 * Charges a pending payment, once: the transition and the attempt are committed before the provider is
 * called, the verdict after it. A payment that is still `processing` when this returns has no verdict yet,
 * and the reconciler owns it.
 */
export const processPayment =
  (deps: ProviderDeps): ProcessPayment =>
  async ({ requester, transactionId, source: given, key, unchanged }) => {
    const { store, provider, faults, patience } = deps
    const requestKey = deps.requestKey(requester.userId, key)

    const begun = await store.unitOfWork(async (tx): Promise<Result<Begun, Code>> => {
      const payment = await tx.payments.lock(transactionId)
      if (!payment) return err('not_found')
      if (!mayProcess(payment, requester)) return err(maySee(payment, requester) ? 'forbidden' : 'not_found')

      const attempt = await tx.attempts.ofPayment(transactionId)
      // The request that started the charge has itself made the change that its own repeat would stumble over.
      if (attempt?.requestKey !== requestKey && unchanged?.(payment) === false) return err('precondition_failed')
      const decision = decideProcess(payment, attempt, requestKey)
      switch (decision) {
        case 'running':
        case 'settled':
          return ok({ payment })
        case 'illegal':
          return err('payment_transition_illegal')
        case 'start': {
          if (!provider) return err('provider_not_configured')
          const source = chooseSource(given, await tx.sources.get(transactionId), provider.accepts)
          return source.ok ? ok(await begin(deps, tx, payment, requestKey, source.value)) : source
        }
        default:
          return unreachable(decision)
      }
    })
    if (!begun.ok) return begun
    const { payment, charge } = begun.value
    if (!charge || !provider) return ok(payment)

    await faults.hit('payments.process.started')
    const call = { ...charge, kind: 'charge', transactionId, money: payment.money, method: payment.method } as const
    const verdict = await withinLimit(patience.callLimitMs, (signal) => provider.charge(call, signal))
    await faults.hit('payments.process.charged')
    if (verdict.kind === 'unknown') {
      await store.postpone(charge.attemptId, deps.instanceId, patience.firstLookMs)
      return ok(payment)
    }
    const settled = await settleCharge(deps)({ transactionId, verdict })
    await faults.hit('payments.process.settled')
    return ok(settled)
  }

/** With `charge` only where this very request started it. */
type Begun = { payment: Payment; charge?: { attemptId: string; source: string } }

const begin = async (
  { clock, newId, instanceId, context, patience }: ProviderDeps,
  tx: PaymentTx,
  payment: Payment,
  requestKey: string,
  source: string,
): Promise<Begun> => {
  const now = clock.now()
  const { transactionId } = payment
  const attempt: Attempt = {
    id: newId(),
    transactionId,
    requestKey,
    outcome: null,
    reference: null,
    startedAt: now,
    settledAt: null,
  }
  const processing = change(payment, { status: 'processing', attempts: payment.attempts + 1 }, now)
  await tx.payments.update(processing)
  await tx.attempts.insert(attempt)
  await tx.sources.keep(transactionId, source)
  const { requestId, traceparent } = context.current()
  const leaseMs = patience.callLimitMs + LEASE_MARGIN_MS
  await tx.leases.open({
    attemptId: attempt.id,
    kind: 'charge',
    transactionId,
    owner: instanceId,
    leaseMs,
    requestId,
    traceparent,
  })
  return { payment: processing, charge: { attemptId: attempt.id, source } }
}
