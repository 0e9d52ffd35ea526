export type Ticker = {
  /** Does nothing while it runs already. */
  start(): void
  /** Begins no further round, and resolves when the one that runs has ended. It may be started again after that. */
  stop(): Promise<void>
}

export type TickerOptions = {
  /** From the end of one round to the beginning of the next. */
  everyMs: number
  work: () => Promise<unknown>
  /** Hears of a round that failed; the next one comes all the same. Must not throw. */
  onError: (error: unknown) => void
  /** The first round begins with `start`; without it after `everyMs`. */
  immediately?: boolean
}

/** Does `work` again and again with a pause between, never twice at once. Keeps no process alive. */
export const createTicker = ({ everyMs, work, onError, immediately = false }: TickerOptions): Ticker => {
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let on = false

  const round = async (): Promise<void> => {
    try {
      await work()
    } catch (error) {
      onError(error)
    }
    running = undefined
    if (on) schedule()
  }
  const begin = (): void => {
    running = round()
  }
  const schedule = (): void => {
    timer = setTimeout(begin, everyMs)
    timer.unref()
  }

  return {
    start: () => {
      if (on) return
      on = true
      // A round from before a stop that nobody waited for goes on by itself.
      if (running !== undefined) return
      if (immediately) begin()
      else schedule()
    },
    stop: async () => {
      on = false
      clearTimeout(timer)
      await running
    },
  }
}
