import { setTimeout as sleep } from 'node:timers/promises'
import type { InFlight } from './in-flight.ts'
import type { Claim } from './ports.ts'

export type SendLoopOptions = {
  /** Messages handed over at once. */
  concurrency: number
  /** Floor: how long a due message may wait when nothing wakes the loop. */
  pollMs: number
  /** `sure`: something was queued since the last look. */
  claim: (limit: number, sure: boolean) => Promise<Claim[]>
  /** Resolves once the outcome is recorded. */
  send: (claim: Claim, signal: AbortSignal) => Promise<void>
  inFlight: InFlight
  /** How long a stop waits for hand-overs; what takes longer is settled by the next start. */
  drainMs: number
  onError: (error: unknown) => void
}

/** Before each look, so that those who wake it meanwhile share it: to take three messages costs little more than one. */
const PACE_MS = 10

/** Keeps up to `concurrency` messages on their way. A slot that gets free is filled at once. */
export class SendLoop {
  readonly #options: SendLoopOptions
  readonly #running = new Set<Promise<void>>()
  readonly #abort = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #filling: Promise<void> | undefined
  #again = false
  #sure = false
  #stopped = true

  constructor(options: SendLoopOptions) {
    this.#options = options
  }

  start(): void {
    if (!this.#stopped) return
    this.#stopped = false
    this.#timer = setInterval(() => this.wake(), this.#options.pollMs)
    this.#timer.unref()
    this.wake()
  }

  /** Looks for due messages; `sure` that there are some. Cheap, may be called at every commit. */
  wake(sure = false): void {
    if (this.#stopped) return
    this.#sure ||= sure
    if (this.#filling) {
      this.#again = true
      return
    }
    this.#filling = sleep(PACE_MS)
      .then(() => this.#fill())
      .catch((error) => this.#options.onError(error))
      .finally(() => {
        this.#filling = undefined
        if (this.#again) {
          this.#again = false
          this.wake()
        }
      })
  }

  /** Takes no more; resolves when what was taken is recorded, at the latest after `drainMs`. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearInterval(this.#timer)
    await this.#filling
    this.#abort.abort()
    const patience = new AbortController()
    await Promise.race([
      Promise.all(this.#running),
      sleep(this.#options.drainMs, undefined, { signal: patience.signal }).catch(() => undefined),
    ])
    patience.abort()
  }

  async #fill(): Promise<void> {
    for (;;) {
      const free = this.#options.concurrency - this.#running.size
      if (free <= 0 || this.#stopped) return
      const sure = this.#sure
      this.#sure = false
      const claims = await this.#options.inFlight.claim(() => this.#options.claim(free, sure))
      for (const claim of claims) this.#run(claim)
      if (claims.length < free) return
    }
  }

  #run(claim: Claim): void {
    const { send, inFlight, onError } = this.#options
    const run = send(claim, this.#abort.signal)
      .then(() => inFlight.end(claim.id, true))
      .catch((error) => {
        inFlight.end(claim.id, false)
        onError(error)
      })
      .finally(() => {
        this.#running.delete(run)
        this.wake()
      })
    this.#running.add(run)
  }
}
