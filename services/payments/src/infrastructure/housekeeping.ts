const EVERY_MS = 3_600_000

type Options = {
  /** Removes what has outlived its retention. */
  sweep: () => Promise<unknown>
  onError: (error: unknown) => void
}

/** Sweeps at the start and once an hour; a sweep that fails is left to the next one. */
export const createHousekeeping = ({ sweep, onError }: Options) => {
  let timer: NodeJS.Timeout | undefined
  let running: Promise<unknown> = Promise.resolve()
  const run = (): void => {
    running = running.then(sweep).catch(onError)
  }
  return {
    start: (): void => {
      run()
      timer = setInterval(run, EVERY_MS)
      timer.unref()
    },
    stop: async (): Promise<void> => {
      clearInterval(timer)
      await running
    },
  }
}
