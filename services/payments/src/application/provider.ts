import type { Money } from '@ashlar/kernel'
import type { NotFound, Unknown, Verdict } from '../domain/attempt.ts'
import type { PaymentMethod } from '../domain/payment.ts'

export type AttemptKind = 'charge' | 'refund'

export type AttemptRef = {
  /** Ours; the provider's idempotency key. */
  readonly attemptId: string
  readonly kind: AttemptKind
  readonly transactionId: string
  readonly money: Money
}
export type ChargeCall = AttemptRef & {
  readonly kind: 'charge'
  readonly method: PaymentMethod
  readonly source: string
}
export type RefundCall = AttemptRef & { readonly kind: 'refund'; readonly chargeReference: string }

/**
 * Who moves the money. Every call is idempotent by the attempt's id and ends by its signal. A verdict is
 * final; whatever has no verdict (time-out, unavailable, a cut connection) is thrown, and means unknown.
 */
export type PaymentProvider = {
  readonly name: string
  /** Whether the token may be charged at all, by its form alone: no call. */
  accepts(source: string): boolean
  charge(call: ChargeCall, signal: AbortSignal): Promise<Verdict>
  refund(call: RefundCall, signal: AbortSignal): Promise<Verdict>
  find(ref: AttemptRef, signal: AbortSignal): Promise<Verdict | NotFound>
  /** Books that the attempt is void unless it has ended; answers how it ended. A later arrival is refused. */
  void(ref: AttemptRef, signal: AbortSignal): Promise<Verdict>
  /** Resolves when the provider is reachable; for health. */
  ping?(): Promise<void>
}

/** Calls the provider with a time limit that holds even if the provider ignores its signal. Never throws. */
export const withinLimit = async <T>(
  limitMs: number,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T | Unknown> => {
  const controller = new AbortController()
  const { promise: expired, resolve } = Promise.withResolvers<Unknown>()
  const timer = setTimeout(() => {
    resolve({ kind: 'unknown', cause: `no answer within ${limitMs} ms` })
    controller.abort(new Error('provider call limit'))
  }, limitMs)
  try {
    return await Promise.race([
      call(controller.signal).catch((cause): Unknown => ({ kind: 'unknown', cause: String(cause) })),
      expired,
    ])
  } finally {
    clearTimeout(timer)
  }
}
