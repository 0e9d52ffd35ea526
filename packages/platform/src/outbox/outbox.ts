import { type Kysely, sql } from 'kysely'
import { type NewEvent, toEnvelope } from '../events/index.ts'
import type { Runtime, ServiceName } from '../runtime/index.ts'

/** Events written in the same transaction as the state they tell of. */
export type Outbox = { append(...events: NewEvent[]): Promise<void> }

/** Which events a subscription has handled; the row commits together with the effects. */
export type Inbox = {
  /** True the first time. False when the event was handled before; waits for a transaction that handles it now. */
  first(subscription: string, eventId: string): Promise<boolean>
}

// biome-ignore lint/suspicious/noExplicitAny: any database that has the platform's tables
type AnyDatabase = Kysely<any>

/**
 * Lock the aggregate's row before appending: the ids are given here, so the order of events of one aggregate is the
 * order of its locks.
 */
export const createOutbox = ({
  db,
  runtime,
  service,
}: {
  db: AnyDatabase
  runtime: Runtime
  service: ServiceName
}): Outbox => ({
  append: async (...events) => {
    if (events.length === 0) return
    const envelopes = events.map((event) => toEnvelope(runtime, service, event))
    await sql`
      INSERT INTO outbox (event_id, envelope)
      SELECT event.id, event.envelope::json
      FROM unnest(
        ${envelopes.map((envelope) => envelope.id)}::uuid[],
        ${envelopes.map((envelope) => JSON.stringify(envelope))}::text[]
      ) WITH ORDINALITY AS event (id, envelope, position)
      ORDER BY event.position`.execute(db)
  },
})

export const createInbox = ({ db }: { db: AnyDatabase }): Inbox => ({
  first: async (subscription, eventId) => {
    const { numAffectedRows } = await sql`
      INSERT INTO inbox (subscription, event_id) VALUES (${subscription}, ${eventId})
      ON CONFLICT DO NOTHING`.execute(db)
    return numAffectedRows === 1n
  },
})
