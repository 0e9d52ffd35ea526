/** Signs from `notBefore` on, until a younger one does. */
export type KeyTimes = { kid: string; notBefore: Date; createdAt: Date }

/** Milliseconds. `overlapMs`: within it, every verifier has a key that was published. */
export type KeyLifetimes = { overlapMs: number; accessTokenMs: number; skewMs: number }

// A process whose last look at the keys failed goes on signing with the older one for a moment.
const MARGIN_MS = 60_000

/** The very first key signs at once: nobody holds a token yet. Two keys never begin at the same moment. */
export const planKey = (newest: KeyTimes | undefined, now: Date, { overlapMs }: KeyLifetimes): Date =>
  new Date(newest ? Math.max(now.getTime() + overlapMs, newest.notBefore.getTime() + 1) : now.getTime())

/** How long a key is published after its successor begins to sign: until its last token has expired everywhere. */
export const publishedUntil = (successorSigns: Date, { accessTokenMs, skewMs }: KeyLifetimes): Date =>
  new Date(successorSigns.getTime() + accessTokenMs + skewMs + MARGIN_MS)

/** Whether nobody signs with a key any more whose successor began at this moment. */
export const hasRetired = (successorSigns: Date, now: Date): boolean =>
  successorSigns.getTime() + MARGIN_MS <= now.getTime()
