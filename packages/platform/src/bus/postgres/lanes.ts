/** Runs tasks of one key one after the other, in the order given, and those of different keys in parallel. */
export type Lanes = {
  run(key: string, task: () => Promise<void>): void
  /** Resolves when nothing runs and nothing waits. */
  idle(): Promise<void>
}

/** At most `concurrency` tasks run at once. A task must not throw; `onError` hears of one that does. */
export const createLanes = (concurrency: number, onError: (error: unknown) => void): Lanes => {
  const queues = new Map<string, (() => Promise<void>)[]>()
  const ready: string[] = []
  const idlers: (() => void)[] = []
  let running = 0

  const start = (): void => {
    while (running < concurrency) {
      const key = ready.shift()
      if (key === undefined) break
      running += 1
      void work(key)
    }
    if (running === 0 && queues.size === 0) for (const resolve of idlers.splice(0)) resolve()
  }

  const work = async (key: string): Promise<void> => {
    const queue = queues.get(key)
    try {
      await queue?.[0]?.()
    } catch (error) {
      onError(error)
    }
    queue?.shift()
    // One task per turn: a key with a long queue goes to the end of the line and does not starve the others.
    if (queue && queue.length > 0) ready.push(key)
    else queues.delete(key)
    running -= 1
    start()
  }

  return {
    run: (key, task) => {
      const queue = queues.get(key)
      if (queue) {
        queue.push(task)
        return
      }
      queues.set(key, [task])
      ready.push(key)
      start()
    },
    idle: () => new Promise((resolve) => (queues.size === 0 ? resolve() : idlers.push(resolve))),
  }
}
