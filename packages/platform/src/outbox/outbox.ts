import { type Kysely, sql } from 'kysely'
import { type NewEvent, toEnvelope } from '../events/index.ts'
import { textLiteral } from '../postgres/literal.ts'
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

/** An event on its way through a subscription, as the inbox knows it. */
export type HandledEvent = { subscription: string; eventId: string }

/** The outbox of one transaction. `flush` answers the SQL that writes what was appended: the transaction's last statement. */
export type PendingOutbox = Outbox & { flush(): string | undefined }

/**
 * Lock the aggregate's row before the transaction ends: the ids are given with its COMMIT, so the order of events of
 * one aggregate is the order of its locks. Sent in one string with COMMIT, the rows cost no round trip of their own.
 */
export const createOutbox = ({ runtime, service }: { runtime: Runtime; service: ServiceName }): PendingOutbox => {
  const rows: string[] = []
  let flushed = false
  return {
    append: async (...events) => {
      if (flushed) throw new Error('the transaction of this outbox has ended: a promise was not awaited')
      for (const event of events) {
        const envelope = toEnvelope(runtime, service, event)
        rows.push(`(${textLiteral(envelope.id)}::uuid, ${textLiteral(JSON.stringify(envelope))}::json)`)
      }
    },
    flush: () => {
      flushed = true
      return rows.length === 0 ? undefined : `INSERT INTO outbox (event_id, envelope) VALUES ${rows.join(', ')}`
    },
  }
}

/** SQL that puts the event into the inbox, and answers a row unless it is there already. */
export const inboxInsert = ({ subscription, eventId }: HandledEvent): string =>
  `INSERT INTO inbox (subscription, event_id) VALUES (${textLiteral(subscription)}, ${textLiteral(eventId)}::uuid)
   ON CONFLICT DO NOTHING RETURNING true`

/** `recorded`: the event that this transaction began with, and whether its row was new. */
export const createInbox = ({
  db,
  recorded,
}: {
  db: AnyDatabase
  recorded?: HandledEvent & { isFirst: boolean }
}): Inbox => {
  let open = recorded
  return {
    first: async (subscription, eventId) => {
      if (open?.subscription === subscription && open.eventId === eventId) {
        const { isFirst } = open
        // Asked again, it was handled before: by whoever asked first.
        open = undefined
        return isFirst
      }
      const { numAffectedRows } = await sql`
        INSERT INTO inbox (subscription, event_id) VALUES (${subscription}, ${eventId})
        ON CONFLICT DO NOTHING`.execute(db)
      return numAffectedRows === 1n
    },
  }
}
