import { sql } from 'kysely'
import type { ContactRepository, ContentRepository, ErasureRepository } from '../../application/ports.ts'
import type { Db } from './schema.ts'

export const createContentRepository = (db: Db): ContentRepository => ({
  dropOlderThan: async (days, limit) => {
    const dropped = await db
      .deleteFrom('notification_contents')
      .where('notification_id', 'in', (of) =>
        of
          .selectFrom('notification_contents')
          .select('notification_id')
          .where('created_at', '<', sql<Date>`now() - make_interval(days => ${days}::integer)`)
          .limit(limit),
      )
      .executeTakeFirst()
    return Number(dropped.numDeletedRows)
  },
})

export const createContactRepository = (db: Db): ContactRepository => ({
  find: async (userId) => {
    const row = await db
      .selectFrom('contacts')
      .select(['email', 'first_name', 'last_name'])
      .where('user_id', '=', userId)
      .executeTakeFirst()
    return row && { email: row.email, firstName: row.first_name, lastName: row.last_name }
  },
  save: async (userId, { email, firstName, lastName }) => {
    const values = { email, first_name: firstName, last_name: lastName }
    await db
      .insertInto('contacts')
      .values({ user_id: userId, ...values })
      .onConflict((conflict) =>
        conflict
          .column('user_id')
          .doUpdateSet({ ...values, updated_at: sql<Date>`now()` })
          .where('contacts.email', 'is not', null),
      )
      .execute()
  },
  userOf: async (email) => {
    const row = await db
      .selectFrom('contacts')
      .select('user_id')
      .where('email', '=', email)
      .orderBy('updated_at', 'desc')
      .limit(1)
      .executeTakeFirst()
    return row?.user_id
  },
  erase: async (userId) => {
    const known = await db
      .selectFrom('contacts')
      .select('email')
      .where('user_id', '=', userId)
      .forUpdate()
      .executeTakeFirst()
    const nobody = { email: null, first_name: null, last_name: null }
    await db
      .insertInto('contacts')
      .values({ user_id: userId, ...nobody })
      .onConflict((conflict) => conflict.column('user_id').doUpdateSet({ ...nobody, updated_at: sql<Date>`now()` }))
      .execute()
    return known?.email ?? undefined
  },
})

/** Drops the slots of time that nobody needs any more. */
export const dropOldRates = async (db: Db): Promise<void> => {
  await db.deleteFrom('mail_rates').where('next_at', '<', sql<Date>`now() - interval '1 day'`).execute()
}

export const createErasureRepository = (db: Db): ErasureRepository => ({
  forget: async ({ userId, addressHash = null }) => {
    // Messages to the address before there was an account name it as their recipient.
    const told = sql`SELECT id FROM notifications WHERE user_id = ${userId}::uuid
                     UNION SELECT id FROM notifications WHERE recipient = 'address:' || ${addressHash}::text`
    await sql`DELETE FROM notification_contents
              WHERE address_hash = ${addressHash}::text OR notification_id IN (${told})`.execute(db)
    await sql`DELETE FROM mailbox WHERE to_hash = ${addressHash}::text OR notification_id IN (${told})`.execute(db)
    if (addressHash === null) return
    await db.deleteFrom('mail_rates').where('address_hash', '=', addressHash).execute()
    await db.updateTable('suppressions').set({ sealed: null }).where('address_hash', '=', addressHash).execute()
  },
})
