/** A pause that can be cut short. A wake that comes while nobody pauses ends the next pause at once. */
export type Waker = { wake(): void; pause(ms: number): Promise<void> }

export const createWaker = (): Waker => {
  let woken = false
  let resume: (() => void) | undefined
  return {
    wake: () => {
      woken = true
      resume?.()
    },
    pause: (ms) =>
      new Promise((resolve) => {
        const done = () => {
          clearTimeout(timer)
          woken = false
          resume = undefined
          resolve()
        }
        const timer = setTimeout(done, ms)
        resume = done
        if (woken) done()
      }),
  }
}

/** Ends early, without an error, when the signal is aborted. */
export const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, Math.max(0, ms))
    signal.addEventListener('abort', done, { once: true })
    if (signal.aborted) done()
  })

const PACE_MS_PER_EVENT = 2
const MOST_PACE_MS = 20

/**
 * How long to leave between two looks when the last one found `events`. Few: none, so that an event waits for nobody.
 * Many: long enough to find many again, because small batches cost more than larger ones.
 */
export const paceMs = (events: number): number => Math.min((events - 1) * PACE_MS_PER_EVENT, MOST_PACE_MS)
