import { sql } from 'kysely'
import type { Mailbox, MailboxRepository } from '../../application/ports.ts'
import type { Db } from './schema.ts'

export const createMailboxRepository = (db: Db): MailboxRepository => ({
  dropOlderThan: async (days, limit) => {
    const dropped = await db
      .deleteFrom('mailbox')
      .where('message_id', 'in', (of) =>
        of
          .selectFrom('mailbox')
          .select('message_id')
          .where('sent_at', '<', sql<Date>`now() - make_interval(days => ${days}::integer)`)
          .limit(limit),
      )
      .executeTakeFirst()
    return Number(dropped.numDeletedRows)
  },
})

/** Stands in for a mail server, so it works outside of every unit of work, one statement at a time. */
export const createMailbox = (db: Db): Mailbox => ({
  put: async (row) => {
    await db
      .insertInto('mailbox')
      .values({
        message_id: row.messageId,
        id: row.id,
        notification_id: row.notificationId,
        template: row.template,
        to_hash: row.toHash,
        sealed: row.sealed,
      })
      // Never a second row and never silence: whoever hands over twice shows it.
      .onConflict((conflict) =>
        conflict.column('message_id').doUpdateSet({ hand_overs: sql<number>`mailbox.hand_overs + 1` }),
      )
      .execute()
  },
  has: async (messageId) => {
    const row = await db.selectFrom('mailbox').select('id').where('message_id', '=', messageId).executeTakeFirst()
    return row !== undefined
  },
  newest: async ({ toHash, limit }) => {
    const rows = await db
      .selectFrom('mailbox')
      .selectAll()
      .$if(toHash !== undefined, (query) => query.where('to_hash', '=', toHash ?? ''))
      .orderBy('sent_at', 'desc')
      .orderBy('id', 'desc')
      .limit(limit)
      .execute()
    return rows.map((row) => ({
      id: row.id,
      messageId: row.message_id,
      notificationId: row.notification_id,
      template: row.template,
      toHash: row.to_hash,
      sealed: row.sealed,
      handOvers: row.hand_overs,
      sentAt: row.sent_at,
    }))
  },
})
