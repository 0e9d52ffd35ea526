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
