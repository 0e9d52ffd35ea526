/**
 * queued → sending → sent | failed | suppressed | unknown, or back to queued; queued → suppressed.
 * `unknown`: the message may or may not have arrived. It is never sent again by itself.
 */
export type Status = 'queued' | 'sending' | 'sent' | 'failed' | 'suppressed' | 'unknown'

/** What became of one hand-over to a mailer. */
export type HandOver =
  /** The server took responsibility for the message. */
  | { outcome: 'accepted'; response?: string }
  /** It certainly did not take it and will not: trying again is useless. `addressGone`: nor will it take another one for this address. */
  | { outcome: 'refused'; code: string; response?: string; addressGone?: boolean }
  /** It certainly did not take it, but may do so later. */
  | { outcome: 'deferred'; code: string; response?: string }
  /** The connection ended after the message was out and before the answer came. */
  | { outcome: 'unknown'; code: string }

export type Verdict =
  | { status: 'sent' }
  | { status: 'failed'; reason: string; addressGone?: boolean }
  | { status: 'unknown'; reason: string }
  | { status: 'suppressed'; reason: string }
  | { status: 'queued'; reason: string; delayMs: number }

/**
 * What follows from the outcome of attempt number `attempt` (1, 2, …). A deferred message is tried again with growing
 * pauses as long as the next try is due within `remainingMs`, the time left until its deadline.
 */
export const judge = (handOver: HandOver, attempt: number, remainingMs: number, jitter: number): Verdict => {
  switch (handOver.outcome) {
    case 'accepted':
      return { status: 'sent' }
    case 'refused':
      return { status: 'failed', reason: handOver.code, ...(handOver.addressGone && { addressGone: true }) }
    case 'unknown':
      return { status: 'unknown', reason: handOver.code }
    case 'deferred': {
      const delayMs = retryDelayMs(attempt, jitter)
      return delayMs < remainingMs
        ? { status: 'queued', reason: handOver.code, delayMs }
        : { status: 'failed', reason: 'retries_exhausted' }
    }
  }
}

export type Obstacles = {
  attempt: number
  /** Until the deadline; zero or less: it has passed. */
  remainingMs: number
  /** Why it waited before this try, if it did. */
  waitedFor: string | null
  addressSuppressed: boolean
  recipientErased: boolean
}

/** Why a claimed message must not go out after all; undefined when it may. */
export const obstacleTo = (message: Obstacles): Verdict | undefined => {
  if (message.recipientErased) return { status: 'suppressed', reason: 'user_deleted' }
  if (message.addressSuppressed) return { status: 'suppressed', reason: 'address_suppressed' }
  if (message.remainingMs > 0) return undefined
  if (message.waitedFor === 'rate_limited') return { status: 'suppressed', reason: 'rate_limited' }
  return message.attempt === 1
    ? { status: 'suppressed', reason: 'expired' }
    : { status: 'failed', reason: 'retries_exhausted' }
}

/** An operator may have a message sent once more when it failed or nobody knows: never what arrived or still may by itself. */
export const mayResend = (status: Status): boolean => status === 'failed' || status === 'unknown'

const FIRST_DELAY_MS = 2_000
const LONGEST_DELAY_MS = 30 * 60_000

/**
 * Pause before the try after attempt number `attempt`: 2 s, 8 s, 32 s, … up to 30 min, times 0.75–1.25 by `jitter`
 * (0 ≤ jitter < 1). The first pauses are short because the commonest cause is a pooled connection that the server
 * had closed; the ceiling suits servers that ask newcomers to come back later (RFC 5321, section 4.5.4.1).
 */
export const retryDelayMs = (attempt: number, jitter: number): number =>
  Math.round(Math.min(FIRST_DELAY_MS * 4 ** (attempt - 1), LONGEST_DELAY_MS) * (0.75 + jitter / 2))
