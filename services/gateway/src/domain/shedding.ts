/** How a request is treated when there is too much: health is always answered, payments are refused last. */
export type Importance = 'always' | 'last' | 'usual'

export type Bounds = {
  /** How late the event loop may be. */
  delayMs: number
  /** How many requests may be worked on at once. */
  inFlight: number
}

export type Load = {
  /** How late the event loop was over the last seconds. */
  averageDelayMs: number
  /** How late its present turn is. */
  turnDelayMs: number
  inFlight: number
}

/** What matters more may go on until it is twice as bad. */
const ALLOWANCE: Readonly<Record<Importance, number>> = { always: Number.POSITIVE_INFINITY, last: 2, usual: 1 }

/**
 * Whether a request should be refused now, so that those which were admitted get their answer in time. One late turn
 * alone is a pause of the collector or of the machine; late turns one after the other are too much work, and then each
 * turn takes only what fits into it. Without that the loop would swing between refusing all and admitting all.
 */
export const overloaded = (load: Load, bounds: Bounds, importance: Importance): boolean => {
  const allowance = ALLOWANCE[importance]
  const delayMs = bounds.delayMs * allowance
  if (load.inFlight >= bounds.inFlight * allowance || load.averageDelayMs > delayMs) return true
  return load.averageDelayMs > delayMs / 2 && load.turnDelayMs > delayMs
}

/** The time over which lateness is averaged: one long turn is no overload, two seconds of them are. */
const MEMORY_MS = 2_000

/** The average lateness after another turn of the loop that took `tookMs` and came `lateMs` too late. */
export const averageDelay = (beforeMs: number, lateMs: number, tookMs: number): number =>
  beforeMs + (lateMs - beforeMs) * (1 - Math.exp(-tookMs / MEMORY_MS))
