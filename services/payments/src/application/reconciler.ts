import type { Reconciled } from './commands/reconcile-attempts.ts'

type Options = {
  /** Before the first pass: takes over what dead owners left. */
  adopt: () => Promise<unknown>
  pass: () => Promise<Reconciled>
  pollMs: number
  onError: (error: unknown) => void
}

/** Runs passes one after the other: at once while there is work, else when woken or after `pollMs`. */
export class Reconciler {
  readonly #options: Options
  #running: Promise<void> | undefined
  #stopped = false
  #wake: (() => void) | undefined

  constructor(options: Options) {
    this.#options = options
  }

  start(): void {
    this.#stopped = false
    this.#running ??= this.#run()
  }

  wake(): void {
    this.#wake?.()
  }

  /** Lets the pass that runs come to its end. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.wake()
    await this.#running
    this.#running = undefined
  }

  async #run(): Promise<void> {
    let adopted = false
    while (!this.#stopped) {
      let looked = 0
      try {
        if (!adopted) await this.#options.adopt()
        adopted = true
        looked = (await this.#options.pass()).looked
      } catch (error) {
        this.#options.onError(error)
      }
      if (looked === 0) await this.#pause()
    }
  }

  #pause(): Promise<void> {
    if (this.#stopped) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, this.#options.pollMs)
    this.#wake = resolve
    return promise.finally(() => {
      clearTimeout(timer)
      this.#wake = undefined
    })
  }
}
