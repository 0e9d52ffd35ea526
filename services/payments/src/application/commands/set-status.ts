import { err, ok, type Result, unreachable } from '@ashlar/kernel'
import type { Attempt, Verdict } from '../../domain/attempt.ts'
import { decideByHand } from '../../domain/by-hand.ts'
import { bankTransferMovement } from '../../domain/ledger.ts'
import { change, type Payment, type PaymentStatus } from '../../domain/payment.ts'
import type { ProviderDeps } from '../deps.ts'
import { settledEvent } from '../events.ts'
import type { PaymentTx } from '../ports.ts'
import type { Precondition } from '../precondition.ts'
import { type AttemptRef, type PaymentProvider, withinLimit } from '../provider.ts'
import { cancel } from './cancel-payment.ts'
import { settleCharge } from './settle-charge.ts'

type Code =
  | 'not_found'
  | 'precondition_failed'
  | 'payment_transition_illegal'
  | 'reason_required'
  | 'provider_not_configured'
  | 'dependency_unavailable'

export type SetStatus = (input: {
  transactionId: string
  status: PaymentStatus
  /** Kept in the trail beside what changed. */
  reason?: string
  unchanged?: Precondition
}) => Promise<Result<Payment, Code>>

type Deps = Pick<ProviderDeps, 'store' | 'provider' | 'clock' | 'context' | 'faults' | 'patience'>

/**
 * What an operator may do by hand: cancel what is pending, complete a bank transfer with a reason, fail what is
 * processing. The last only if the provider says that it holds no charge: refused with `payment_transition_illegal`
 * when it holds one, which then completes the payment, and with `dependency_unavailable` when it says nothing.
 */
export const setStatus =
  (deps: Deps): SetStatus =>
  (input) =>
    deps.context.run({ ...deps.context.current(), reason: input.reason }, async () => {
      const begun = await deps.store.unitOfWork((tx) => decide(deps, tx, input))
      if (!begun.ok) return begun
      const { payment, attempt } = begun.value
      return attempt ? fail(deps, payment, attempt) : ok(payment)
    })

/** With `attempt` where the provider has the last word. */
type Begun = { payment: Payment; attempt?: Attempt }

const decide = async (
  { provider, clock }: Deps,
  tx: PaymentTx,
  { transactionId, status, reason, unchanged }: Parameters<SetStatus>[0],
): Promise<Result<Begun, Code>> => {
  const payment = await tx.payments.lock(transactionId)
  if (!payment) return err('not_found')
  if (unchanged?.(payment) === false) return err('precondition_failed')

  const decision = decideByHand(payment, status)
  switch (decision) {
    case 'illegal':
      return err('payment_transition_illegal')
    case 'cancel':
      return ok({ payment: await cancel(tx, payment, clock.now()) })
    case 'complete':
      return reason === undefined ? err('reason_required') : ok({ payment: await complete(tx, payment, clock.now()) })
    case 'fail': {
      if (!provider) return err('provider_not_configured')
      const attempt = await tx.attempts.ofPayment(transactionId)
      return attempt ? ok({ payment, attempt }) : err('payment_transition_illegal')
    }
    default:
      return unreachable(decision)
  }
}

/** A bank transfer that a person saw coming in: nobody else moved the money. */
const complete = async (tx: PaymentTx, payment: Payment, now: Date): Promise<Payment> => {
  const completed = change(payment, { status: 'completed' }, now)
  await tx.payments.update(completed)
  await tx.ledger.post(bankTransferMovement(completed))
  await tx.sources.drop(payment.transactionId)
  await tx.outbox.append(settledEvent(completed))
  return completed
}

/** However the attempt ended is stored: a charge that the provider holds is never passed over. */
const fail = async (deps: Deps, payment: Payment, attempt: Attempt): Promise<Result<Payment, Code>> => {
  const { provider, faults } = deps
  if (!provider) return err('provider_not_configured')
  const { transactionId, money } = payment
  const verdict = await endAt(provider, deps.patience.callLimitMs, {
    attemptId: attempt.id,
    kind: 'charge',
    transactionId,
    money,
  })
  await faults.hit('payments.status.asked')
  if (!verdict) return err('dependency_unavailable')
  const settled = await settleCharge(deps)({ transactionId, verdict })
  return settled.status === 'failed' ? ok(settled) : err('payment_transition_illegal')
}

/** How the attempt ended at the provider, ended by now if need be; undefined when it does not say. */
const endAt = async (provider: PaymentProvider, limitMs: number, ref: AttemptRef): Promise<Verdict | undefined> => {
  // The void comes first: a call that is still on its way would book its charge after the question.
  const voided = await withinLimit(limitMs, (signal) => provider.void(ref, signal))
  if (voided.kind !== 'voided') return voided.kind === 'unknown' ? undefined : voided
  const found = await withinLimit(limitMs, (signal) => provider.find(ref, signal))
  if (found.kind === 'unknown') return undefined
  return found.kind === 'not_found' ? voided : found
}
