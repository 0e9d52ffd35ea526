import { sleep } from '../../outbox/index.ts'
import type { Session } from '../../postgres/index.ts'
import type { BusHub } from './hub.ts'

/** The channel on which a process tells the others that it has published. */
const CHANNEL = 'ashlar_bus'

/** What a notification may hold is bounded; one that would be longer names no types and wakes everybody. */
const MOST_CHARACTERS = 4_000
/** Between two notifications: readers elsewhere find what was published meanwhile with one look. */
const EVERY_MS = 25
const RECONNECT_MS = 500

/**
 * Tells other processes. NOTIFY takes a lock that all committing transactions of the server share, so it is a
 * transaction of its own, and one at a time. Losing one costs a reader elsewhere one poll.
 */
export const createNotifier = (hub: BusHub, send: (channel: string, payload: string) => Promise<unknown>) => {
  const types = new Set<string>()
  let isPending = false
  let running: Promise<void> | undefined

  const run = async (signal: AbortSignal): Promise<void> => {
    while (isPending) {
      const payload = [hub.id, ...types].join(' ')
      isPending = false
      types.clear()
      await send(CHANNEL, payload.length > MOST_CHARACTERS ? hub.id : payload).catch(() => undefined)
      await sleep(EVERY_MS, signal)
    }
    running = undefined
  }
  const stopping = new AbortController()

  return {
    /** `of`: the types that were published; without them everybody looks. */
    tell: (of: ReadonlySet<string> | undefined): void => {
      isPending = true
      for (const type of of ?? ['*']) types.add(type)
      running ??= run(stopping.signal)
    },
    close: async (): Promise<void> => {
      stopping.abort()
      await running
    },
  }
}

/** Hears what other processes tell, for as long as it is not closed; a connection that is lost is opened again. */
export const createListener = (
  hub: BusHub,
  open: (onNotification: (payload: string) => void) => Promise<Session>,
): { close(): Promise<void> } => {
  const stopping = new AbortController()
  const stopped = new Promise<void>((resolve) => stopping.signal.addEventListener('abort', () => resolve()))

  const hear = (payload: string): void => {
    const [publisher, ...types] = payload.split(' ')
    if (publisher === hub.id) return
    hub.wake(types.length === 0 || types.includes('*') ? undefined : new Set(types))
  }

  const listen = async (): Promise<void> => {
    const session = await open(hear)
    try {
      await session.query(`LISTEN ${CHANNEL}`)
      // Whatever was told while nobody listened.
      hub.wake()
      await Promise.race([session.lost, stopped])
    } finally {
      await session.close()
    }
  }

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await listen().catch(() => undefined)
      await sleep(RECONNECT_MS * (0.5 + Math.random()), stopping.signal)
    }
  }
  const running = run()

  return {
    close: async () => {
      stopping.abort()
      await running
    },
  }
}
