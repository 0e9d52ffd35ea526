/**
 * queued → sending → sent | failed | unknown, or back to queued; queued → suppressed | failed.
 * `unknown`: the message may or may not have arrived. It is never sent again by itself.
 */
export type Status = 'queued' | 'sending' | 'sent' | 'failed' | 'suppressed' | 'unknown'

/** What became of one hand-over to a mailer. */
export type HandOver =
  /** The server took responsibility for the message. */
  | { outcome: 'accepted'; response?: string }
  /** It certainly did not take it and will not: trying again is useless. */
  | { outcome: 'refused'; code: string; response?: string }
  /** It certainly did not take it, but may do so later. */
  | { outcome: 'deferred'; code: string; response?: string }
  /** The connection ended after the message was out and before the answer came. */
  | { outcome: 'unknown'; code: string }

export type Verdict =
  | { status: 'sent' }
  | { status: 'failed'; reason: string }
  | { status: 'unknown'; reason: string }
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
      return { status: 'failed', reason: handOver.code }
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

const FIRST_DELAY_MS = 2_000
const LONGEST_DELAY_MS = 30 * 60_000

/**
 * Pause before the try after attempt number `attempt`: 2 s, 8 s, 32 s, … up to 30 min, times 0.75–1.25 by `jitter`
 * (0 ≤ jitter < 1). The first pauses are short because the commonest cause is a pooled connection that the server
 * had closed; the ceiling suits servers that ask newcomers to come back later (RFC 5321, section 4.5.4.1).
 */
export const retryDelayMs = (attempt: number, jitter: number): number =>
  Math.round(Math.min(FIRST_DELAY_MS * 4 ** (attempt - 1), LONGEST_DELAY_MS) * (0.75 + jitter / 2))
