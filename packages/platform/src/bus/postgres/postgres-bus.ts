import { sql } from 'kysely'
import { type MigrationSet, openDatabase } from '../../postgres/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import { type Bus, DEFAULT_RETRY, type RetryPolicy, type SubscribeOptions, type Subscription } from '../bus.ts'
import { append } from './append.ts'
import { createDeadLetters } from './dead-letters.ts'
import { type BusHub, createBusHub } from './hub.ts'
import { createBusMetrics } from './metrics.ts'
import { createListener, createNotifier } from './notify.ts'
import { runSubscription } from './subscription.ts'

export type PostgresBusOptions = {
  /** Of the bus's database, as a role that `grantBus` was given, or as the bus's own, which sees all subscriptions. */
  url: string
  runtime: Runtime
  retry?: RetryPolicy
  /** The slowest look at the log when nothing wakes a reader (500 ms). */
  pollMs?: number
  /** Shared by the buses of one process, it wakes a reader at once; those of other processes are told by NOTIFY. */
  hub?: BusHub
}

export const busMigrations: MigrationSet = { service: 'bus', folder: new URL('../migrations/', import.meta.url) }

/** A bus in a PostgreSQL database of its own, made by `busMigrations`. */
export const createPostgresBus = (options: PostgresBusOptions): Bus => {
  const { url, runtime, retry = DEFAULT_RETRY, pollMs = 500, hub = createBusHub() } = options
  const applicationName = `${runtime.installation}-bus`
  const database = openDatabase<unknown>({ url, max: 6, applicationName, runtime, service: 'bus', dependency: 'bus' })
  const metrics = createBusMetrics(runtime)
  const subscriptions = new Set<Subscription>()
  const notifier = createNotifier(hub, (channel, payload) =>
    sql`SELECT pg_notify(${channel}, ${payload})`.execute(database.db),
  )
  let listener: ReturnType<typeof createListener> | undefined
  let closed: Promise<void> | undefined

  const wake = (types?: ReadonlySet<string>): void => {
    hub.wake(types)
    notifier.tell(types)
  }

  const subscribe = async (options: SubscribeOptions): Promise<Subscription> => {
    await sql`
      INSERT INTO subscriptions (name, types) VALUES (${options.name}, ${options.types}::text[])
      ON CONFLICT (name) DO UPDATE SET types = excluded.types, updated_at = now()
      WHERE subscriptions.types IS DISTINCT FROM excluded.types`.execute(database.db)
    const running = runSubscription({
      ...options,
      runtime,
      retry,
      metrics,
      pollMs,
      openSession: () => database.session(),
    })
    const leave = hub.join({ types: options.types, wake: running.waker.wake })
    const member = {
      stop: async () => {
        leave()
        subscriptions.delete(member)
        await running.stop()
      },
    }
    subscriptions.add(member)
    listener ??= createListener(hub, (onNotification) => database.session({ onNotification }))
    return member
  }

  return {
    publish: async (envelopes) => {
      if (envelopes.length === 0) return
      const added = await append(database.db, envelopes)
      metrics.messages.inc({ subscription: '', outcome: 'published' }, added)
      if (added > 0) wake(new Set(envelopes.map((envelope) => envelope.type)))
    },
    subscribe,
    deadLetters: createDeadLetters({ database, runtime, changed: () => wake() }),
    ping: () => database.ping(),
    close: () => {
      closed ??= (async () => {
        await Promise.all([...subscriptions].map((subscription) => subscription.stop()))
        await Promise.all([notifier.close(), listener?.close()])
        await database.close()
      })()
      return closed
    },
  }
}
