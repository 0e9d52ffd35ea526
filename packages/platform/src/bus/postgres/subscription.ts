import { createWaker, sleep, type Waker } from '../../outbox/index.ts'
import type { Session } from '../../postgres/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import type { RetryPolicy, SubscribeOptions, Subscription } from '../bus.ts'
import { createSubscriptionLog } from './log.ts'
import type { BusMetrics } from './metrics.ts'
import { createReader, type Reader } from './reader.ts'

export type RunningOptions = SubscribeOptions & {
  /** Opens a connection of the subscription's own. */
  openSession: () => Promise<Session>
  runtime: Runtime
  retry: RetryPolicy
  metrics: BusMetrics
  pollMs: number
}

const FIRST_RETRY_MS = 100
const LAST_RETRY_MS = 5_000

/**
 * Keeps one subscription going: connection, lock, reader; when any of it fails, all of it again. The lock belongs to
 * the connection, so a process that dies frees it at once and another that stands by takes over.
 */
export const runSubscription = (options: RunningOptions): Subscription & { waker: Waker } => {
  const { name, types, runtime, retry, metrics, pollMs, concurrency = 16, timeoutMs = 60_000 } = options
  const logger = runtime.logger('bus')
  const lock = runtime.names.lock(`subscription/${name}`)
  const waker = createWaker()
  const stopping = new AbortController()
  let reader: Reader | undefined
  let failures = 0

  const obtainLock = async (session: Session): Promise<boolean> => {
    while (!stopping.signal.aborted) {
      const [row] = await session.query<{ mine: boolean }>('SELECT pg_try_advisory_lock($1) AS mine', [lock])
      if (row?.mine) return true
      await sleep(pollMs, stopping.signal)
    }
    return false
  }

  const readOnce = async (session: Session): Promise<void> => {
    if (!(await obtainLock(session))) return
    // The log grows faster than its statistics: a plan made while it was small would read all of it each time.
    await session.query('SET enable_seqscan = off')
    // Everything written here goes back together when the server loses its last moments: then events of that time
    // come again, as after any crash. So nothing of it waits for the disk.
    await session.query('SET synchronous_commit = off')
    reader = createReader({
      name,
      types,
      concurrency,
      timeoutMs,
      handle: options.handle,
      log: createSubscriptionLog(session, name),
      retry,
      waker,
      faults: runtime.faults,
      metrics,
      pollMs,
      onFailure: ({ event, error, attempts, dead }) => {
        const fields = { subscription: name, eventId: event.event_id, type: event.envelope.type, attempts, err: error }
        if (dead) logger.error(fields, 'event is a dead letter: its key waits until it is redriven or discarded')
        else logger.warn(fields, 'event could not be handled, trying again')
      },
    })
    if (stopping.signal.aborted) return
    failures = 0
    await reader.run()
  }

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      let session: Session | undefined
      try {
        session = await options.openSession()
        void session.lost.then(waker.wake)
        await readOnce(session)
      } catch (error) {
        failures += 1
        // The first of a row tells; the others would only repeat it until the store is back.
        logger[failures === 1 ? 'warn' : 'debug'](
          { subscription: name, failures, err: error },
          'subscription interrupted',
        )
      } finally {
        reader = undefined
        await session?.close()
      }
      const backoffMs = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 8))
      await sleep(backoffMs * (0.5 + Math.random() / 2), stopping.signal)
    }
  }

  const running = run()
  return {
    waker,
    stop: async () => {
      stopping.abort()
      reader?.stop()
      await running
    },
  }
}
