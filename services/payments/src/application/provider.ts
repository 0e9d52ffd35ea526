import type { Money, Result } from '@ashlar/kernel'
import type { NotFound, Unknown, Verdict } from '../domain/attempt.ts'
import type { IdRange, ProviderRecord } from '../domain/ledger-check.ts'
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
  /**
   * What it booked itself for the payments in a range of ids, in the order of those ids, at most `limit` of them. For
   * providers that can be asked so; the ledger is then held against it.
   */
  records?(range: IdRange, limit?: number): Promise<ProviderRecord[]>
  /** Resolves when the provider is reachable; for health. */
  ping?(): Promise<void>
  /** For providers that do work of their own in this process, e.g. send webhooks. */
  start?(): void
  stop?(): Promise<void>
}

/** What a webhook says, once its signature was found right. Its words are a hint; the provider is asked. */
export type ProviderEvent = { id: string; attemptId: string; kind: AttemptKind; transactionId: string }

/**
 * Reads a webhook of one provider from the bytes as they came. `ok(undefined)`: signed, and of no interest here.
 */
export type WebhookReader = (webhook: {
  headers: Readonly<Record<string, string | string[] | undefined>>
  rawBody: Buffer
  now: Date
}) => Result<ProviderEvent | undefined, 'signature_invalid'>

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
