export type TryOutcome = 'right' | 'wrong' | 'undecided'

/** What is known of one key. `ended` resolves when the next try under way ends. */
export type Tries = { failed: number; pending: number; oldestAt: number; ended: Promise<void> }

export type TryCounts = {
  look(key: string, now: number): Tries
  take(key: string, now: number): void
  /** Answers how many wrong tries a right one has wiped out. */
  end(key: string, outcome: TryOutcome, now: number): number
  /** Takes back at most so many wrong tries, and answers how many those were. */
  forgive(key: string, count: number): number
  size(): number
}

type Entry = { failedAt: number[]; pending: number; ended: PromiseWithResolvers<void> | undefined }

const NOTHING_TO_WAIT_FOR = Promise.resolve()

/**
 * Wrong tries within a sliding window, and tries whose end is not known yet, by key. At most `remembered` times are
 * kept for a key, and at most `maxTracked` keys: what was touched longest ago is forgotten first. Each wrong try costs
 * a password hash, so a bound above the hashes of one window cannot be used to wash a count away.
 */
export const createTryCounts = (options: { windowMs: number; maxTracked: number; remembered: number }): TryCounts => {
  const { windowMs, maxTracked, remembered } = options
  // In the order of the last touch, so that old ones are found at the front.
  const entries = new Map<string, Entry>()

  const recent = (entry: Entry, now: number): Entry => {
    const firstRecent = entry.failedAt.findIndex((at) => at > now - windowMs)
    if (firstRecent !== 0) entry.failedAt = firstRecent < 0 ? [] : entry.failedAt.slice(firstRecent)
    return entry
  }
  /** Those with a try under way stay: it will come back to them. */
  const makeRoom = (now: number): void => {
    for (const [key, { failedAt, pending }] of entries) {
      const isOld = (failedAt.at(-1) ?? 0) <= now - windowMs
      if (!isOld && entries.size < maxTracked) return
      if (pending === 0) entries.delete(key)
    }
  }
  const touch = (key: string, entry: Entry): void => {
    entries.delete(key)
    if (entry.pending > 0 || entry.failedAt.length > 0) entries.set(key, entry)
  }

  return {
    look: (key, now) => {
      const entry = entries.get(key)
      if (!entry) return { failed: 0, pending: 0, oldestAt: now, ended: NOTHING_TO_WAIT_FOR }
      const { failedAt, pending } = recent(entry, now)
      if (pending > 0) entry.ended ??= Promise.withResolvers<void>()
      const oldestAt = failedAt[0] ?? now
      return { failed: failedAt.length, pending, oldestAt, ended: entry.ended?.promise ?? NOTHING_TO_WAIT_FOR }
    },
    take: (key, now) => {
      const entry = entries.get(key) ?? { failedAt: [], pending: 0, ended: undefined }
      if (!entries.has(key)) makeRoom(now)
      entry.pending++
      touch(key, entry)
    },
    end: (key, outcome, now) => {
      const entry = entries.get(key)
      if (!entry) return 0
      recent(entry, now).pending--
      let forgiven = 0
      if (outcome === 'wrong') entry.failedAt = [...entry.failedAt, now].slice(-remembered)
      if (outcome === 'right') {
        forgiven = entry.failedAt.length
        entry.failedAt = []
      }
      touch(key, entry)
      entry.ended?.resolve()
      entry.ended = undefined
      return forgiven
    },
    forgive: (key, count) => {
      const entry = entries.get(key)
      if (!entry || count === 0) return 0
      const left = Math.max(0, entry.failedAt.length - count)
      const forgiven = entry.failedAt.length - left
      entry.failedAt = entry.failedAt.slice(0, left)
      touch(key, entry)
      return forgiven
    },
    size: () => entries.size,
  }
}
