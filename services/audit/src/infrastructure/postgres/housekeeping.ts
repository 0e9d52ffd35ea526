import { pruneInbox } from '@ashlar/platform/outbox'
import type { Kysely } from 'kysely'
import type { AuditStore } from '../../application/ports.ts'
import type { AuditDatabase } from './database.ts'

export type HousekeepingOptions = {
  db: Kysely<AuditDatabase>
  store: Pick<AuditStore, 'prepareMonths'>
  settings: { monthsAhead: number; inboxDays: number }
  now: () => Date
}

const PRUNE_EVERY_MS = 3_600_000

/** Makes room for the months to come each time, and forgets handled events once an hour. */
export const createHousekeeping = ({ db, store, settings, now }: HousekeepingOptions): (() => Promise<void>) => {
  let prunedAt = Number.NEGATIVE_INFINITY
  return async () => {
    await store.prepareMonths(now(), settings.monthsAhead)
    if (now().getTime() - prunedAt < PRUNE_EVERY_MS) return
    await pruneInbox(db, { days: settings.inboxDays })
    prunedAt = now().getTime()
  }
}
