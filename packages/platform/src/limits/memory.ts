import type { Limit, RateLimiter, Verdict } from './port.ts'

type Window = { used: number; endsAtMs: number }

export type MemoryLimiterOptions = {
  /** Monotonic, so that a step of the wall clock neither reopens nor freezes a window. */
  nowMs?: () => number
  /** Windows kept per limit. Beyond it the one that ends first is forgotten, so memory stays bounded under any flood of keys. */
  maxKeys?: number
}

/**
 * Counts in this process. Exact for one process; what it forgets at a restart is at most one window.
 * Windows of one limit are all of the same length, so the map's insertion order is the order in which they
 * end: clearing looks only at the front, and no timer is needed.
 */
export const createMemoryLimiter = (options: MemoryLimiterOptions = {}): RateLimiter & { size(): number } => {
  const nowMs = options.nowMs ?? (() => performance.now())
  const maxKeys = options.maxKeys ?? 100_000
  const limits = new Map<string, Map<string, Window>>()

  const windowsOf = (limit: Limit): Map<string, Window> => {
    const name = `${limit.name} ${limit.windowMs}`
    let windows = limits.get(name)
    if (!windows) {
      windows = new Map()
      limits.set(name, windows)
    }
    return windows
  }

  const makeRoom = (windows: Map<string, Window>, now: number): void => {
    for (const [key, window] of windows) {
      if (window.endsAtMs > now && windows.size < maxKeys) return
      windows.delete(key)
    }
  }

  const count = (limit: Limit, key: string): Verdict => {
    const now = nowMs()
    const windows = windowsOf(limit)
    let window = windows.get(key)
    if (!window || window.endsAtMs <= now) {
      windows.delete(key)
      makeRoom(windows, now)
      window = { used: 0, endsAtMs: now + limit.windowMs }
      windows.set(key, window)
    }
    const allowed = window.used < limit.quota
    if (allowed) window.used += 1
    return { allowed, quota: limit.quota, remaining: limit.quota - window.used, resetMs: window.endsAtMs - now }
  }

  return {
    take: (limit, key) => Promise.resolve(count(limit, key)),
    size: () => [...limits.values()].reduce((sum, windows) => sum + windows.size, 0),
    close: async () => limits.clear(),
  }
}
