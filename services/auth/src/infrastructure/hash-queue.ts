import { err, ok, type Result } from '@ashlar/kernel'
import type { Metrics } from '@ashlar/platform/telemetry'

/** Runs costly work a few at a time; refuses at once what would wait behind too many others. */
export type HashQueue = {
  run<T>(work: () => Promise<T>): Promise<Result<T, 'overloaded'>>
  /** Refuses what `run` would refuse at this moment. */
  admit(): Result<void, 'overloaded'>
}

type Options = {
  concurrency: number
  maxWaiting: number
  /** Who would have to wait longer, going by the last works, is refused as well. */
  maxWaitMs: number
  metrics: Metrics
  nowMs?: () => number
}

/** The share of the last work in the average: some ten works tell how fast this machine is now. */
const SHARE_OF_LAST = 0.1

/**
 * At most `concurrency` works run and at most `maxWaiting` wait, first come first served, and fewer where the machine is
 * slow. A queue without an end would answer everybody after everybody has given up.
 */
export const createHashQueue = (options: Options): HashQueue => {
  const { concurrency, maxWaiting, maxWaitMs, metrics, nowMs = () => performance.now() } = options
  const length = metrics.gauge('hash_queue_length', 'Password hashes that wait for their turn')
  const waited = metrics.histogram('hash_queue_wait_seconds', 'Time from asking for a password hash to its start')
  const refused = metrics.counter(
    'hash_queue_refused_total',
    'Password hashes that were refused because too many waited',
  )
  const waiting: (() => void)[] = []
  let running = 0
  let averageMs = 0
  length.set(0)

  const isFull = (): boolean =>
    running >= concurrency &&
    (waiting.length >= maxWaiting || ((waiting.length + 1) * averageMs) / concurrency > maxWaitMs)
  const overloaded = (): Result<never, 'overloaded'> => {
    refused.inc()
    return err('overloaded')
  }

  const turn = (): Promise<void> | undefined => {
    if (running < concurrency) {
      running++
      return Promise.resolve()
    }
    if (isFull()) return undefined
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
      const askedAt = nowMs()
      const myTurn = turn()
      if (!myTurn) return overloaded()
      await myTurn
      const beganAt = nowMs()
      waited.observe((beganAt - askedAt) / 1000)
      try {
        return ok(await work())
      } finally {
        const tookMs = nowMs() - beganAt
        averageMs = averageMs === 0 ? tookMs : averageMs + (tookMs - averageMs) * SHARE_OF_LAST
        leave()
      }
    },
    admit: () => (isFull() ? overloaded() : ok(undefined)),
  }
}
