export type TickerOptions = {
  everyMs: number
  work: () => Promise<unknown>
  onError: (error: unknown) => void
}

/** Does `work` again and again with a pause between, never twice at once. */
export class Ticker {
  readonly #options: TickerOptions
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()
  #stopped = true

  constructor(options: TickerOptions) {
    this.#options = options
  }

  /** Does the first round at once; resolves when it is done, well or not. */
  start(): Promise<void> {
    if (this.#stopped) {
      this.#stopped = false
      this.#running = this.#round()
    }
    return this.#running
  }

  /** Resolves when the round that runs is done. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#running
  }

  async #round(): Promise<void> {
    try {
      await this.#options.work()
    } catch (error) {
      this.#options.onError(error)
    }
    if (this.#stopped) return
    this.#timer = setTimeout(() => {
      this.#running = this.#round()
    }, this.#options.everyMs)
    this.#timer.unref()
  }
}
