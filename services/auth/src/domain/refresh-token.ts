/** What decides about a refresh token, read under the lock of its session. */
export type RefreshTokenState = {
  expiresAt: Date
  /** When it was exchanged for its successor; null while it is the newest. */
  consumedAt: Date | null
  /** The successor was itself presented: whoever rotates it has it, so nobody needs the grace any more. */
  successorUsed: boolean
  sessionEnded: boolean
  absoluteExpiresAt: Date
}

export type RefreshVerdict = 'rotate' | 'replay' | 'reused' | 'expired'

/**
 * `replay`: an honest client that raced itself or lost our answer gets the same successor again. Once the grace
 * (`graceMs`) is over, a consumed token in somebody's hands means that two parties hold this lineage.
 */
export const judge = (token: RefreshTokenState, now: Date, graceMs: number): RefreshVerdict => {
  if (token.consumedAt !== null) {
    if (token.absoluteExpiresAt <= now) return 'expired'
    const inGrace = now.getTime() - token.consumedAt.getTime() <= graceMs && !token.successorUsed
    if (!inGrace) return 'reused'
    return token.sessionEnded ? 'expired' : 'replay'
  }
  if (token.sessionEnded || token.expiresAt <= now || token.absoluteExpiresAt <= now) return 'expired'
  return 'rotate'
}

/** Sliding expiry, never beyond the session's absolute one. */
export const slide = (now: Date, slidingMs: number, absoluteExpiresAt: Date): Date =>
  new Date(Math.min(now.getTime() + slidingMs, absoluteExpiresAt.getTime()))
