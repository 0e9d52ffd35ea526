import { err, ok, type Result } from '@ashlar/kernel'
import type { Metrics } from '@ashlar/platform/telemetry'

/** Runs costly work a few at a time; refuses at once what would wait behind too many others. */
export type HashQueue = { run<T>(work: () => Promise<T>): Promise<Result<T, 'overloaded'>> }

/**
 * At most `concurrency` works run and at most `maxWaiting` wait, first come first served. A queue without an end
 * would answer everybody after everybody has given up.
 */
export const createHashQueue = (options: { concurrency: number; maxWaiting: number; metrics: Metrics }): HashQueue => {
  const { concurrency, maxWaiting, metrics } = options
  const length = metrics.gauge('hash_queue_length', 'Password hashes that wait for their turn')
  const waited = metrics.histogram('hash_queue_wait_seconds', 'Time from asking for a password hash to its start')
  const refused = metrics.counter(
    'hash_queue_refused_total',
    'Password hashes that were refused because too many waited',
  )
  const waiting: (() => void)[] = []
  let running = 0
  length.set(0)

  const turn = (): Promise<void> | undefined => {
    if (running < concurrency) {
      running++
      return Promise.resolve()
    }
    if (waiting.length >= maxWaiting) return undefined
    const { promise, resolve } = Promise.withResolvers<void>()
    waiting.push(resolve)
    length.set(waiting.length)
    return promise
  }

  // The place passes on without `running` going down in between, so nobody who comes later can take it.
  const leave = (): void => {
    const next = waiting.shift()
    length.set(waiting.length)
    if (next) next()
    else running--
  }

  return {
    run: async (work) => {
      const askedAt = performance.now()
      const myTurn = turn()
      if (!myTurn) {
        refused.inc()
        return err('overloaded')
      }
      await myTurn
      waited.observe((performance.now() - askedAt) / 1000)
      try {
        return ok(await work())
      } finally {
        leave()
      }
    },
  }
}
