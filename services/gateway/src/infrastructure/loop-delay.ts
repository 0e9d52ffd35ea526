import { averageDelay } from '../domain/shedding.ts'

const EVERY_MS = 25

/** How late the event loop is, averaged over the last seconds: what a request waits before anybody looks at it. */
export class LoopDelay {
  #timer: NodeJS.Timeout | undefined
  #lastMs = 0
  #averageMs = 0

  /** Before it nothing counts as late: a program that starts keeps its loop busy for good reasons. */
  start(): void {
    this.#lastMs = performance.now()
    this.#timer ??= setInterval(() => this.#tick(), EVERY_MS)
    this.#timer.unref()
  }

  get averageMs(): number {
    return this.#averageMs
  }

  /** How much too long the present turn of the loop has lasted. */
  get turnMs(): number {
    return this.#timer ? Math.max(0, performance.now() - this.#lastMs - EVERY_MS) : 0
  }

  close(): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    const nowMs = performance.now()
    const tookMs = nowMs - this.#lastMs
    this.#lastMs = nowMs
    this.#averageMs = averageDelay(this.#averageMs, Math.max(0, tookMs - EVERY_MS), tookMs)
  }
}
