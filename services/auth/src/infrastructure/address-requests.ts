import { childTraceparent, type ExecutionContext } from '@ashlar/platform/context'
import { createTicker, type Runtime } from '@ashlar/platform/runtime'

export type AddressRequestWorker = {
  /** Something was asked. */
  wake(): void
  start(): void
  stop(): Promise<void>
}

type Options = {
  runtime: Runtime
  /** Those that wait, oldest first. */
  waiting: () => Promise<{ id: string; context: ExecutionContext }[]>
  /** Does what was asked, once, in one transaction. */
  answer: (request: { id: string }) => Promise<unknown>
  delayMs?: number
  pollMs?: number
}

/**
 * Works on what was asked for addresses behind the answers. It begins a moment after the first request and takes all
 * that came meanwhile: work that followed each answer at once would slow the next request down, and tell by it what
 * was found. Requests of a crashed process, or of another one, are found by the poll.
 */
export const createAddressRequestWorker = (options: Options): AddressRequestWorker => {
  const { runtime, waiting, answer, delayMs = 150, pollMs = 5_000 } = options
  const log = runtime.logger('auth')
  const waited = (error: unknown): void => log.warn({ err: error }, 'a request for an address waits for another try')
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> = Promise.resolve()
  let on = false

  const answerAll = async (): Promise<void> => {
    for (const { id, context } of await waiting()) {
      const traceparent = childTraceparent(context.traceparent)
      // One that fails must not hold up those behind it.
      await runtime.context.run({ ...context, traceparent }, () => answer({ id })).catch(waited)
    }
  }
  // One after the other, however they were asked for.
  const round = (): Promise<void> => {
    running = running.then(answerAll, answerAll)
    return running
  }
  const poll = createTicker({ everyMs: pollMs, immediately: true, work: round, onError: waited })

  return {
    wake: () => {
      if (!on || timer) return
      timer = setTimeout(() => {
        timer = undefined
        round().catch(waited)
      }, delayMs)
      timer.unref()
    },
    start: () => {
      on = true
      poll.start()
    },
    stop: async () => {
      on = false
      clearTimeout(timer)
      timer = undefined
      await poll.stop()
      await running.catch(() => undefined)
    },
  }
}
