import { err, ok, type Result } from '@ashlar/kernel'
import { change, type Failure, type Payment } from './payment.ts'

/** One charge at the provider. Its id is the provider's idempotency key. A payment has at most one. */
export type Attempt = {
  readonly id: string
  readonly transactionId: string
  /** Which request started it: a keyed hash of caller and idempotency key. */
  readonly requestKey: string
  readonly outcome: 'succeeded' | 'declined' | 'voided' | null
  /** The provider's own name of the charge; refunds refer to it. */
  readonly reference: string | null
  readonly startedAt: Date
  readonly settledAt: Date | null
}

/** What a provider says for good. Everything else (time-out, unavailable) is unknown and settles nothing. */
export type Verdict =
  | { readonly kind: 'succeeded'; readonly reference: string }
  | { readonly kind: 'declined'; readonly failure: Failure }
  | { readonly kind: 'voided' }

export type Unknown = { readonly kind: 'unknown'; readonly cause: string }
export type NotFound = { readonly kind: 'not_found' }

export const VOIDED: Failure = { code: 'provider_unavailable', message: 'The payment provider could not be reached' }

/** Whether a request to process starts a charge, joins the one under way, or comes too late. */
export const decideProcess = (
  payment: Payment,
  attempt: Attempt | undefined,
  requestKey: string,
): 'start' | 'running' | 'settled' | 'illegal' => {
  if (payment.status === 'pending') return 'start'
  if (payment.status === 'processing') return 'running'
  return attempt?.requestKey === requestKey ? 'settled' : 'illegal'
}

/** The token to charge: the request's before the one kept at creation. */
export const chooseSource = (
  given: string | undefined,
  kept: string | undefined,
  accepts: (source: string) => boolean,
): Result<string, 'source_required' | 'source_unknown'> => {
  const source = given ?? kept
  if (source === undefined) return err('source_required')
  return accepts(source) ? ok(source) : err('source_unknown')
}

/** What the provider's verdict makes of a payment that is `processing`. */
export const settleCharge = (payment: Payment, verdict: Verdict, now: Date): Payment => {
  if (verdict.kind === 'succeeded') return change(payment, { status: 'completed', failure: null }, now)
  const failure = verdict.kind === 'declined' ? verdict.failure : VOIDED
  return change(payment, { status: 'failed', failure }, now)
}

export type Patience = {
  /** How long one call to the provider may take. */
  readonly callLimitMs: number
  /** How long beyond that an attempt the provider does not know is repeated before it is voided. */
  readonly voidGraceMs: number
  readonly firstLookMs: number
  readonly maxLookMs: number
}

/**
 * What to do about an attempt whose end is not known, after the provider was asked for it. An attempt
 * that the provider does not know is repeated (same id: never a second charge) while a late arrival of
 * the first call is still likely, then voided.
 */
export const judgeAttempt = (
  found: Verdict['kind'] | 'not_found' | 'unknown',
  ageMs: number,
  { callLimitMs, voidGraceMs }: Patience,
): 'settle' | 'repeat' | 'void' | 'wait' => {
  if (found === 'unknown') return 'wait'
  if (found !== 'not_found') return 'settle'
  return ageMs < callLimitMs + voidGraceMs ? 'repeat' : 'void'
}

/** The pause before the next look: doubles from the first, and never sleeps past the moment of the void. */
export const nextLookMs = (looks: number, ageMs: number, patience: Patience): number => {
  const backoff = Math.min(patience.firstLookMs * 2 ** Math.min(looks, 16), patience.maxLookMs)
  const untilVoid = patience.callLimitMs + patience.voidGraceMs - ageMs
  return untilVoid > 0 ? Math.min(backoff, untilVoid + 1) : backoff
}
