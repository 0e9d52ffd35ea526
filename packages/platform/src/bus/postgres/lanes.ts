const ASK_AGAIN_MS = 10

type Queued = { task: () => Promise<void>; sinceMs: number }

/** Runs tasks of one key one after the other, in the order given, and those of different keys in parallel. */
export type Lanes = {
  run(key: string, task: () => Promise<void>): void
  /** Resolves when nothing runs and nothing waits. */
  idle(): Promise<void>
}

/**
 * At most `concurrency` tasks run at once, and at most as many as `allowed` says at the moment: it is told how long the
 * next one has waited. A task must not throw; `onError` hears of one that does.
 */
export const createLanes = (
  concurrency: number,
  onError: (error: unknown) => void,
  allowed: (waitedMs: number) => number = () => concurrency,
): Lanes => {
  const queues = new Map<string, Queued[]>()
  const ready: string[] = []
  const idlers: (() => void)[] = []
  let running = 0
  let isAsking = false

  const start = (): void => {
    const next = queues.get(ready[0] ?? '')?.[0]
    const limit = next ? Math.min(concurrency, allowed(performance.now() - next.sinceMs)) : 0
    while (running < limit) {
      const key = ready.shift()
      if (key === undefined) break
      running += 1
      void work(key)
    }
    // Those that run may all wait for something; whether more are allowed is asked again without them.
    if (ready.length > 0 && running < concurrency && !isAsking) {
      isAsking = true
      setTimeout(askAgain, ASK_AGAIN_MS)
    }
    if (running === 0 && queues.size === 0) for (const resolve of idlers.splice(0)) resolve()
  }

  const askAgain = (): void => {
    isAsking = false
    start()
  }

  const work = async (key: string): Promise<void> => {
    const queue = queues.get(key)
    try {
      await queue?.[0]?.task()
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
      const queued = { task, sinceMs: performance.now() }
      const queue = queues.get(key)
      if (queue) {
        queue.push(queued)
        return
      }
      queues.set(key, [queued])
      ready.push(key)
      start()
    },
    idle: () => new Promise((resolve) => (queues.size === 0 ? resolve() : idlers.push(resolve))),
  }
}
