import { performance } from 'node:perf_hooks'

const LOOK_EVERY_MS = 20
/** Share of its time that the event loop may be at work before events give way. */
const BUSY = 0.8
/** So many events are always handled at once: they are late then, but they go on. */
const LEAST = 4
/** An event that has waited so long gives way no more. */
const PATIENCE_MS = 200

/**
 * How many events may be handled at once: all, or fewer while this process is busy. Somebody waits for a request, and
 * what follows from it can wait a moment; more at once would not be done sooner, they would only take from the requests.
 * The longer the next event has waited, the more are allowed, so that no load makes them later than about that.
 */
export const createCourtesy = (
  concurrency: number,
  utilization: typeof performance.eventLoopUtilization = performance.eventLoopUtilization.bind(performance),
): ((waitedMs: number) => number) => {
  let from = utilization()
  let lookedAtMs = performance.now()
  let isBusy = false
  return (waitedMs) => {
    if (performance.now() - lookedAtMs >= LOOK_EVERY_MS) {
      const to = utilization()
      isBusy = utilization(to, from).utilization > BUSY
      from = to
      lookedAtMs = performance.now()
    }
    if (!isBusy || concurrency <= LEAST) return concurrency
    return LEAST + Math.ceil((concurrency - LEAST) * Math.min(1, waitedMs / PATIENCE_MS))
  }
}
