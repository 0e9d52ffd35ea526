import { err, ok, parseMoney, type Result } from '@ashlar/kernel'
import type { Payment } from '../../domain/payment.ts'
import { decideRefund, type Refund, reserveRefund } from '../../domain/refund.ts'
import { LEASE_MARGIN_MS, type ProviderDeps } from '../deps.ts'
import type { PaymentTx } from '../ports.ts'
import type { Precondition } from '../precondition.ts'
import { withinLimit } from '../provider.ts'
import { settleRefund } from './settle-refund.ts'

type Code =
  | 'not_found'
  | 'amount_malformed'
  | 'precondition_failed'
  | 'payment_transition_illegal'
  | 'refund_exceeds_payment'
  | 'provider_not_configured'

export type RefundPayment = (input: {
  requesterId: string
  transactionId: string
  /** In the payment's currency, on the wire's form; all that is left without it. */
  amount?: string
  reason: string | null
  key: string
  unchanged?: Precondition
}) => Promise<Result<Refund, Code>>

/**
 * Gives money back. The share is set aside under the payment's lock before the provider is called, so what
 * refunds have and hold together never exceeds what was charged. A refund without a verdict stays `pending`
 * and is the reconciler's. Whoever calls this may refund any payment.
 */
export const refundPayment =
  (deps: ProviderDeps): RefundPayment =>
  async ({ requesterId, transactionId, amount, reason, key, unchanged }) => {
    const { store, provider, faults, patience } = deps
    const requestKey = deps.requestKey(requesterId, key)

    const begun = await store.unitOfWork(async (tx): Promise<Result<Begun, Code>> => {
      const payment = await tx.payments.lock(transactionId)
      if (!payment) return err('not_found')
      // A request that died after it had reserved its share comes back with its key: it goes on with that refund.
      const before = await tx.refunds.byRequest(transactionId, requestKey)
      if (before) return ok({ refund: before })
      if (unchanged?.(payment) === false) return err('precondition_failed')

      const asked = amount === undefined ? undefined : parseMoney(amount, payment.money.currency)
      if (asked && !asked.ok) return err('amount_malformed')
      const minor = decideRefund(payment, asked?.value.minor)
      if (!minor.ok) return minor
      if (!provider) return err('provider_not_configured')
      const charge = await tx.attempts.ofPayment(transactionId)
      if (!charge?.reference) return err('payment_transition_illegal')
      const refund = await begin(deps, tx, payment, { minor: minor.value, reason, requestKey })
      return ok({ refund, chargeReference: charge.reference })
    })
    if (!begun.ok) return begun
    const { refund, chargeReference } = begun.value
    if (!chargeReference || !provider) return ok(refund)

    await faults.hit('payments.refund.started')
    const call = { attemptId: refund.id, kind: 'refund', transactionId, money: refund.money, chargeReference } as const
    const verdict = await withinLimit(patience.callLimitMs, (signal) => provider.refund(call, signal))
    await faults.hit('payments.refund.called')
    if (verdict.kind === 'unknown') {
      await store.postpone(refund.id, deps.instanceId, patience.firstLookMs)
      return ok(refund)
    }
    const settled = await settleRefund(deps)({ transactionId, refundId: refund.id, verdict })
    await faults.hit('payments.refund.settled')
    return ok(settled)
  }

/** With `chargeReference` only where this very request began the refund. */
type Begun = { refund: Refund; chargeReference?: string }

const begin = async (
  { clock, newId, instanceId, context, patience }: ProviderDeps,
  tx: PaymentTx,
  payment: Payment,
  { minor, reason, requestKey }: { minor: bigint; reason: string | null; requestKey: string },
): Promise<Refund> => {
  const now = clock.now()
  const { transactionId, userId } = payment
  const refund: Refund = {
    id: newId(),
    transactionId,
    userId,
    money: { minor, currency: payment.money.currency },
    status: 'pending',
    reason,
    failure: null,
    requestKey,
    createdAt: now,
    updatedAt: now,
  }
  await tx.payments.update(reserveRefund(payment, minor, now))
  await tx.refunds.insert(refund)
  const { requestId, traceparent } = context.current()
  const leaseMs = patience.callLimitMs + LEASE_MARGIN_MS
  await tx.leases.open({
    attemptId: refund.id,
    kind: 'refund',
    transactionId,
    owner: instanceId,
    leaseMs,
    requestId,
    traceparent,
  })
  return refund
}
