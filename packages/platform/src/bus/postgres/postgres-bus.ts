import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { type MigrationSet, openDatabase } from '../../postgres/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import { type Bus, DEFAULT_RETRY, type RetryPolicy, type SubscribeOptions, type Subscription } from '../bus.ts'
import { append } from './append.ts'
import { createDeadLetters } from './dead-letters.ts'
import { createBusMetrics } from './metrics.ts'
import { CHANNEL, runSubscription } from './subscription.ts'

export type PostgresBusOptions = {
  /** Of the bus's database, as a role that `grantBus` was given, or as the bus's own, which sees all subscriptions. */
  url: string
  runtime: Runtime
  retry?: RetryPolicy
  /** The slowest look at the log when nothing wakes a reader (500 ms). */
  pollMs?: number
}

export const busMigrations: MigrationSet = { service: 'bus', folder: new URL('../migrations/', import.meta.url) }

/** A bus in a PostgreSQL database of its own, made by `busMigrations`. */
export const createPostgresBus = ({ url, runtime, retry = DEFAULT_RETRY, pollMs = 500 }: PostgresBusOptions): Bus => {
  const applicationName = `${runtime.installation}-bus`
  const database = openDatabase<unknown>({ url, max: 6, applicationName, runtime, service: 'bus', dependency: 'bus' })
  const metrics = createBusMetrics(runtime)
  // Not the process's id: services of one process may have a bus each, and must hear of one another.
  const publisherId = randomUUID()
  const subscriptions = new Set<Subscription & { types: readonly string[]; wake: () => void }>()
  let closed: Promise<void> | undefined

  // NOTIFY takes a lock that all committing transactions of the server share, so it is a transaction of its own,
  // and one at a time. Losing one costs a reader elsewhere one poll.
  let notifying: Promise<unknown> | undefined
  const notifyOthers = (): void => {
    notifying ??= sql`SELECT pg_notify(${CHANNEL}, ${publisherId})`
      .execute(database.db)
      .catch(() => undefined)
      .finally(() => {
        notifying = undefined
      })
  }
  const wake = (types?: ReadonlySet<string>): void => {
    for (const subscription of subscriptions) {
      if (!types || subscription.types.some((type) => types.has(type))) subscription.wake()
    }
    notifyOthers()
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
      openSession: (wakeUp) =>
        database.session({
          onNotification: (publisher) => {
            if (publisher !== publisherId) wakeUp()
          },
        }),
    })
    const member = {
      types: options.types,
      wake: running.waker.wake,
      stop: async () => {
        subscriptions.delete(member)
        await running.stop()
      },
    }
    subscriptions.add(member)
    return { stop: member.stop }
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
        await notifying
        await database.close()
      })()
      return closed
    },
  }
}
