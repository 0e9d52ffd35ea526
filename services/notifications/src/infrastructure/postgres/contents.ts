import { sql } from 'kysely'
import type { ContactRepository, ContentRepository } from '../../application/ports.ts'
import type { Db } from './schema.ts'

export const createContentRepository = (db: Db): ContentRepository => ({
  put: async (notificationId, sealed) => {
    await db.insertInto('notification_contents').values({ notification_id: notificationId, sealed }).execute()
  },
  get: async (notificationId) => {
    const row = await db
      .selectFrom('notification_contents')
      .select('sealed')
      .where('notification_id', '=', notificationId)
      .executeTakeFirst()
    return row?.sealed
  },
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
      .onConflict((conflict) => conflict.column('user_id').doUpdateSet({ ...values, updated_at: sql<Date>`now()` }))
      .execute()
  },
})
