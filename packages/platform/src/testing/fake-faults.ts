import type { Faults } from '../runtime/index.ts'

/** What a fault throws unless the test gives its own error. */
export class InjectedFault extends Error {
  constructor(point: string) {
    super(`fault injected at ${point}`)
    this.name = 'InjectedFault'
  }
}

export type FakeFaults = Faults & {
  /** The next `times` hits of the point (1) throw. */
  throwAt(point: string, options?: { times?: number; error?: Error }): void
  /** The next hit of the point waits until it is released; `reached` resolves when somebody waits there. */
  pauseAt(point: string): { reached: Promise<void>; release(): void }
  /** How often the point was passed or hit so far. */
  hits(point: string): number
  /** Switches everything off and releases who waits. */
  clear(): void
}

type Armed = { remaining: number; act: () => Promise<void> }

export const createFakeFaults = (): FakeFaults => {
  const armed = new Map<string, Armed[]>()
  const counts = new Map<string, number>()
  const releases = new Set<() => void>()
  const arm = (point: string, fault: Armed) => armed.set(point, [...(armed.get(point) ?? []), fault])
  return {
    hit: async (point) => {
      counts.set(point, (counts.get(point) ?? 0) + 1)
      const fault = armed.get(point)?.find((candidate) => candidate.remaining > 0)
      if (!fault) return
      fault.remaining -= 1
      await fault.act()
    },
    throwAt: (point, { times = 1, error = new InjectedFault(point) } = {}) => {
      arm(point, { remaining: times, act: () => Promise.reject(error) })
    },
    pauseAt: (point) => {
      const reached = Promise.withResolvers<void>()
      const released = Promise.withResolvers<void>()
      releases.add(released.resolve)
      arm(point, {
        remaining: 1,
        act: () => {
          reached.resolve()
          return released.promise
        },
      })
      return { reached: reached.promise, release: released.resolve }
    },
    hits: (point) => counts.get(point) ?? 0,
    clear: () => {
      armed.clear()
      for (const release of releases) release()
      releases.clear()
    },
  }
}
