import { paceMs, sleep, type Waker } from '../../outbox/index.ts'
import { DependencyUnavailable, isOverdue } from '../../postgres/index.ts'
import type { Faults } from '../../runtime/index.ts'
import { delayAfter, type RetryPolicy, type SubscribeOptions } from '../bus.ts'
import { createCourtesy } from './courtesy.ts'
import { createLanes } from './lanes.ts'
import type { LoggedEvent, SubscriptionLog } from './log.ts'
import type { BusMetrics } from './metrics.ts'
import { createWatermark } from './watermark.ts'

export type ReaderOptions = Required<
  Pick<SubscribeOptions, 'name' | 'types' | 'handle' | 'concurrency' | 'timeoutMs'>
> & {
  log: SubscriptionLog
  retry: RetryPolicy
  waker: Waker
  faults: Faults
  metrics: BusMetrics
  pollMs: number
  /** Told of each event that is given up for now, and of each that is dead. */
  onFailure: (failure: { event: LoggedEvent; error: unknown; attempts: number; dead: boolean }) => void
}

export type Reader = {
  /** Reads until it is stopped; throws when its connection fails, after what ran has come to rest. */
  run(): Promise<void>
  stop(): void
}

const BATCH = 200
const MOST_OPEN = 5_000
const SAVE_EVERY_MS = 50
const COUNT_DEAD_EVERY_MS = 2_000
/** A handler that hangs must not keep the whole subscription from healing. */
const REST_MS = 30_000

/**
 * Reads a subscription for as long as its connection lasts. Each event either is handled or moves durably into the
 * subscription's deliveries before it counts as done, so the position always advances and nothing is skipped; what
 * was done after the last saved position is done again after a crash.
 */
export const createReader = (options: ReaderOptions): Reader => {
  const { name, types, concurrency, log, retry, waker, faults, metrics, pollMs, onFailure } = options
  const handle = within(options.timeoutMs, options.handle)
  let stopped = false
  let failure: { error: unknown } | undefined
  const over = (): boolean => stopped || failure !== undefined
  const abort = (error: unknown): void => {
    failure ??= { error }
    waker.wake()
  }
  const lanes = createLanes(concurrency, abort, createCourtesy(concurrency))
  const blocked = new Set<string>()
  const due = new Set<string>()
  const timers = new Set<NodeJS.Timeout>()
  let watermark = createWatermark(0n)
  let discarded: ReadonlySet<bigint> = new Set()
  let successes = 0
  const ended = new AbortController()

  const wakeIn = (ms: number): void => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      waker.wake()
    }, ms)
    timers.add(timer)
  }

  /** Hands the event over, and again for as long as it is the store that fails and not the event. */
  const attempt = async (event: LoggedEvent): Promise<'handled' | 'interrupted' | { error: unknown }> => {
    for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 2_000)) {
      const successesBefore = successes
      try {
        await handle(event.envelope)
        successes += 1
        metrics.messages.inc({ subscription: name, outcome: 'handled' })
        return 'handled'
      } catch (error) {
        metrics.messages.inc({ subscription: name, outcome: 'failed' })
        // An outage must not turn everything that comes meanwhile into dead letters. It is one while nothing succeeds.
        const outage = error instanceof DependencyUnavailable && !isOverdue(error) && successes === successesBefore
        if (!outage) return { error }
        if (over()) return 'interrupted'
        await sleep(pauseMs, ended.signal)
        if (over()) return 'interrupted'
      }
    }
  }

  const failed = async (event: LoggedEvent, error: unknown, attemptsBefore: number): Promise<void> => {
    const attempts = attemptsBefore + 1
    const delayMs = delayAfter(retry, attempts, Math.random)
    blocked.add(event.key)
    await faults.hit('bus.fail.before')
    if (attemptsBefore === 0 && !queued.has(event.position)) await log.fail(event, describe(error), delayMs)
    else await log.failAgain(event.position, describe(error), delayMs)
    await faults.hit('bus.fail.after')
    if (delayMs === undefined) metrics.messages.inc({ subscription: name, outcome: 'dead' })
    else wakeIn(delayMs + 2)
    onFailure({ event, error, attempts, dead: delayMs === undefined })
  }
  /** Positions that stand in the deliveries already: their failure is not a first one, whatever their count says. */
  const queued = new Set<bigint>()

  /** Handles a key's queue from its head as far as it goes. */
  const drain = async (key: string): Promise<void> => {
    while (!over()) {
      const head = await log.head(key)
      if (!head) {
        blocked.delete(key)
        return
      }
      if (!head.due) return
      queued.add(head.position)
      try {
        const outcome = await attempt(head)
        if (outcome === 'interrupted') return
        if (outcome !== 'handled') return await failed(head, outcome.error, head.attempts)
        await faults.hit('bus.settle.before')
        await log.settle(head.position)
      } finally {
        queued.delete(head.position)
      }
    }
  }

  const handleLogged = async (event: LoggedEvent): Promise<void> => {
    if (over()) return
    if (blocked.has(event.key)) {
      const state = await log.hold(event)
      if (state === 'retrying') await drain(event.key)
    } else if (!discarded.has(event.position)) {
      const outcome = await attempt(event)
      if (outcome === 'interrupted') return
      if (outcome === 'handled') await faults.hit('bus.handled')
      else await failed(event, outcome.error, 0)
    }
    watermark.end(event.position)
    saveSoon()
    if (full && watermark.open() < MOST_OPEN / 2) {
      full = false
      waker.wake()
    }
  }
  /** So much is open that the log was left alone. */
  let full = false

  let saved = 0n
  let savedAtMs = 0
  let saving: Promise<void> | undefined
  const saveSoon = (): void => {
    saving ??= new Promise((resolve) => setTimeout(resolve, SAVE_EVERY_MS))
      .then(async () => {
        saving = undefined
        if (failure === undefined) await save()
      })
      .catch(abort)
  }
  const save = async (): Promise<void> => {
    const position = watermark.value()
    if (position <= saved) return
    await log.save(position)
    saved = position
    savedAtMs = performance.now()
  }

  /** Reads on. Where a position is due to be saved, it rides along. */
  const readOn = async (cursor: bigint): Promise<{ horizon: bigint; events: LoggedEvent[] }> => {
    const position = watermark.value()
    const isDue = position > saved && performance.now() - savedAtMs >= SAVE_EVERY_MS
    const found = await log.read(cursor, types, BATCH, isDue ? position : undefined)
    if (isDue) {
      saved = position
      savedAtMs = performance.now()
    }
    return found
  }

  const drainDue = async (): Promise<void> => {
    if (blocked.size === 0) return
    for (const key of await log.dueKeys(BATCH)) {
      if (due.has(key)) continue
      due.add(key)
      lanes.run(key, async () => {
        due.delete(key)
        if (!over()) await drain(key)
      })
    }
  }

  const read = async (): Promise<void> => {
    const start = await log.load()
    watermark = createWatermark(start.position)
    saved = start.position
    discarded = new Set(start.discarded)
    for (const key of start.blocked) blocked.add(key)
    let cursor = start.position
    let countedAt = 0
    while (!over()) {
      const lookedAt = performance.now()
      let more = false
      let found = 0
      full = watermark.open() >= MOST_OPEN
      if (!full) {
        const { horizon, events } = await readOn(cursor)
        found = events.length
        for (const event of events) {
          watermark.begin(event.position)
          lanes.run(event.key, () => handleLogged(event))
        }
        more = events.length === BATCH
        cursor = more ? (events.at(-1)?.position ?? horizon) : horizon
        watermark.seen(cursor)
        metrics.lag.set({ subscription: name }, Number(horizon - watermark.value()))
        if (events.length === 0) saveSoon()
      }
      await drainDue()
      if (Date.now() - countedAt > COUNT_DEAD_EVERY_MS) {
        countedAt = Date.now()
        metrics.dead.set({ subscription: name }, blocked.size === 0 ? 0 : await log.deadCount())
      }
      if (over() || more) continue
      await sleep(paceMs(found) - (performance.now() - lookedAt), ended.signal)
      if (!over()) await waker.pause(pollMs)
    }
  }

  return {
    run: async () => {
      try {
        await read()
      } catch (error) {
        abort(error)
      }
      ended.abort()
      for (const timer of timers) clearTimeout(timer)
      await atMost(REST_MS, lanes.idle())
      if (failure === undefined) await Promise.resolve(saving).then(save).catch(abort)
      if (failure !== undefined) throw failure.error
    },
    stop: () => {
      stopped = true
      ended.abort()
      waker.wake()
    },
  }
}

/** Fails when `handle` has not ended after `timeoutMs`: it would hold up its key for ever. */
const within =
  (timeoutMs: number, handle: SubscribeOptions['handle']): SubscribeOptions['handle'] =>
  async (event) => {
    let timer: NodeJS.Timeout | undefined
    const overdue = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`the handler took longer than ${timeoutMs} ms`)), timeoutMs)
    })
    try {
      await Promise.race([handle(event), overdue])
    } finally {
      clearTimeout(timer)
    }
  }

const describe = (error: unknown): string =>
  (error instanceof Error ? `${error.name}: ${error.message}` : String(error)).replaceAll('\0', '').slice(0, 2_000)

const atMost = async (ms: number, work: Promise<void>): Promise<void> => {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([
    work,
    new Promise<void>((resolve) => {
      timer = setTimeout(resolve, ms)
    }),
  ])
  clearTimeout(timer)
}
