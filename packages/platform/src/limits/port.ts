/** So many requests in so long a window, for each key apart. Its name is what clients see in `RateLimit-Policy`. */
export type Limit = { name: string; quota: number; windowMs: number }

export type Verdict = {
  allowed: boolean
  quota: number
  /** What is left in this window after this request; 0 when refused. */
  remaining: number
  /** Until the window ends and the whole quota is there again; above 0. */
  resetMs: number
}

/**
 * Counts requests in fixed windows. A window opens with the first request of its key and lasts `windowMs`;
 * in one window exactly `quota` requests are allowed, however many ask at the same moment. Refused requests
 * do not prolong it. Limits of different names never share a count.
 *
 * An adapter that counts elsewhere answers by a count of its own while it cannot reach that place: a limiter
 * never throws and never holds a request up.
 */
export type RateLimiter = {
  take(limit: Limit, key: string): Promise<Verdict>
  close(): Promise<void>
}
