import { pruneIdempotencyKeys } from '@ashlar/platform/idempotency'
import { pruneInbox } from '@ashlar/platform/outbox'
import type { Database } from '@ashlar/platform/postgres'
import { createTicker, type Runtime } from '@ashlar/platform/runtime'
import type { NotificationsSettings } from '../settings.ts'
import { dropOldRates } from './postgres/contents.ts'
import type { NotificationsDatabase } from './postgres/schema.ts'

const HOUR_MS = 3_600_000
const WATCH_MS = 5_000

type Options = {
  database: Database<NotificationsDatabase>
  settings: NotificationsSettings
  runtime: Runtime
  settle: () => Promise<void>
  pruneContents: () => Promise<unknown>
  watch: () => Promise<void>
}

/** What runs by itself besides sending: lost claims are settled, the queue is watched, and what was kept long enough goes. */
export const createHousekeeping = ({ database, settings, runtime, settle, pruneContents, watch }: Options) => {
  const log = runtime.logger('notifications')
  const onError = (what: string) => (error: unknown) => log.warn({ err: error }, `${what} was interrupted, it goes on`)
  const settling = createTicker({
    everyMs: settings.settleMs,
    work: settle,
    onError: onError('settling of lost claims'),
  })
  const watching = createTicker({ everyMs: WATCH_MS, work: watch, onError: onError('watching of the queue') })
  const pruning = createTicker({
    everyMs: HOUR_MS,
    immediately: true,
    work: async () => {
      await pruneContents()
      await pruneInbox(database.db, { days: settings.inboxRetentionDays })
      await pruneIdempotencyKeys(database.db, { olderThanHours: settings.idempotencyHours })
      await dropOldRates(database.db)
    },
    onError: onError('dropping of what is old'),
  })
  const all = [settling, watching, pruning]
  return {
    /** Resolves when what an earlier process left is settled, or could not be. */
    start: async (): Promise<void> => {
      await settle().catch(onError('settling of lost claims'))
      for (const ticker of all) ticker.start()
    },
    stop: async (): Promise<void> => {
      await Promise.all(all.map((ticker) => ticker.stop()))
    },
  }
}
