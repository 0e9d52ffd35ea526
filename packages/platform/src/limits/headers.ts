import type { Limit, Verdict } from './port.ts'

/** A difference of two clock readings can be a hair too large; a whole second must not come of that. */
const FLOAT_NOISE_MS = 0.01

/** Whole seconds until the window ends, rounded up, so that who waits that long is never refused again. */
export const secondsLeft = (verdict: Verdict): number =>
  Math.max(1, Math.ceil((verdict.resetMs - FLOAT_NOISE_MS) / 1000))

/**
 * What a client is told of its limit: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers),
 * the older `X-RateLimit-*` with the seconds left, and `Retry-After` (RFC 9110, section 10.2.3) on a refusal.
 */
export const limitHeaders = (limit: Limit, verdict: Verdict): Record<string, string> => {
  const reset = secondsLeft(verdict)
  const headers: Record<string, string> = {
    'ratelimit-policy': `"${limit.name}";q=${limit.quota};w=${Math.ceil(limit.windowMs / 1000)}`,
    ratelimit: `"${limit.name}";r=${verdict.remaining};t=${reset}`,
    'x-ratelimit-limit': String(limit.quota),
    'x-ratelimit-remaining': String(verdict.remaining),
    'x-ratelimit-reset': String(reset),
  }
  if (!verdict.allowed) headers['retry-after'] = String(reset)
  return headers
}
