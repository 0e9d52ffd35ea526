import { type Clock, formatAmount, type NewId } from '@ashlar/kernel'
import { type Kysely, type Selectable, sql } from 'kysely'
import type { AttemptRef } from '../../application/provider.ts'
import type { SandboxDatabase } from './tables.ts'

type Db = Kysely<SandboxDatabase>
export type Delivery = Selectable<SandboxDatabase['deliveries']>
type Outcome = 'succeeded' | 'declined' | 'voided'

/** Longer than one sending may take: nobody else sends the same one meanwhile. */
const HOLD_SECONDS = 15
const MAX_SENDS = 20

export type Announcement = { newId: NewId; clock: Clock }

/** Writes down that an attempt has ended, to be sent; in the transaction that books it. */
export const announce = async (
  db: Db,
  { attemptId, kind, transactionId, money }: AttemptRef,
  outcome: Outcome,
  { newId, clock }: Announcement,
): Promise<void> => {
  const eventId = newId()
  const body = JSON.stringify({
    id: eventId,
    type: `${kind}.${outcome}`,
    createdAt: clock.now().toISOString(),
    data: { attemptId, transactionId, kind, outcome, amount: formatAmount(money), currency: money.currency },
  })
  await db
    .insertInto('deliveries')
    .values({
      event_id: eventId,
      attempt_id: attemptId,
      transaction_id: transactionId,
      body,
      send_at: sql<Date>`clock_timestamp()`,
    })
    .execute()
}

/** Takes those whose time has come. One that is taken and never settled, because its sender died, comes back. */
export const claimDeliveries = (db: Db, limit: number): Promise<Delivery[]> =>
  db
    .updateTable('deliveries')
    .set((eb) => ({
      sends: eb('sends', '+', 1),
      send_at: sql<Date>`clock_timestamp() + make_interval(secs => ${sql.lit(HOLD_SECONDS)})`,
    }))
    .where('event_id', 'in', (eb) =>
      eb
        .selectFrom('deliveries')
        .select('event_id')
        .where('send_at', '<=', sql<Date>`clock_timestamp()`)
        .orderBy('send_at')
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    )
    .returningAll()
    .execute()

export const delivered = async (db: Db, eventId: string): Promise<void> => {
  await db
    .updateTable('deliveries')
    .set({ send_at: null, delivered_at: sql<Date>`clock_timestamp()`, last_failure: null })
    .where('event_id', '=', eventId)
    .execute()
}

/** Sent again after a pause that doubles from one second to ten minutes; given up after `MAX_SENDS`. */
export const failed = async (db: Db, { event_id, sends }: Delivery, failure: string): Promise<void> => {
  const seconds = Math.min(2 ** (sends - 1), 600)
  await db
    .updateTable('deliveries')
    .set({
      send_at: sends >= MAX_SENDS ? null : sql<Date>`clock_timestamp() + make_interval(secs => ${seconds}::float8)`,
      last_failure: failure.slice(0, 500),
    })
    .where('event_id', '=', event_id)
    .execute()
}

/** All webhooks of a payment are due once more; answers how many. */
export const repeatDeliveries = async (db: Db, transactionId: string): Promise<number> => {
  const result = await db
    .updateTable('deliveries')
    .set({ send_at: sql<Date>`clock_timestamp()`, delivered_at: null, sends: 0 })
    .where('transaction_id', '=', transactionId)
    .executeTakeFirst()
  return Number(result.numUpdatedRows)
}
