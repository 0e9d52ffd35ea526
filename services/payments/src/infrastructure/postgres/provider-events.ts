import { type Kysely, sql } from 'kysely'
import type { PaymentTx } from '../../application/ports.ts'
import type { PaymentsDatabase } from './tables.ts'

type Db = Kysely<PaymentsDatabase>

export const providerEventsRepository = (db: Db): PaymentTx['providerEvents'] => ({
  first: async (provider, eventId) => {
    const result = await db
      .insertInto('provider_events')
      .values({ provider, event_id: eventId })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirst()
    return result.numInsertedOrUpdatedRows === 1n
  },
})

export const wasHeard = async (db: Db, provider: string, eventId: string): Promise<boolean> => {
  const row = await db
    .selectFrom('provider_events')
    .select('event_id')
    .where('provider', '=', provider)
    .where('event_id', '=', eventId)
    .executeTakeFirst()
  return row !== undefined
}

/** Forgets events heard more than `days` ago. One that comes again after that finds its attempt ended. */
export const pruneProviderEvents = async (db: Db, { days }: { days: number }): Promise<number> => {
  const result = await db
    .deleteFrom('provider_events')
    .where('received_at', '<', sql<Date>`now() - make_interval(days => ${days}::int)`)
    .executeTakeFirst()
  return Number(result.numDeletedRows)
}
