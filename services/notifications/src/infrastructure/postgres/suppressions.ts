import { type Selectable, sql } from 'kysely'
import type { Suppression, SuppressionReader, SuppressionRepository } from '../../application/ports.ts'
import type { Db, NotificationsDatabase } from './schema.ts'

type Row = Pick<Selectable<NotificationsDatabase['suppressions']>, 'id' | 'sealed' | 'source' | 'created_at'>

const toSuppression = (row: Row & { position: string }): Suppression => ({
  id: row.id,
  sealed: row.sealed,
  source: row.source,
  createdAt: row.created_at,
  position: { createdAt: row.position, id: row.id },
})

const COLUMNS = ['id', 'sealed', 'source', 'created_at', sql<string>`created_at::text`.as('position')] as const

export const createSuppressionRepository = (db: Db): SuppressionRepository => ({
  put: async ({ id, addressHash, sealed, source }) => {
    // Another row, not a changed one: the seal is bound to the id, and the trail tells who suppressed it now.
    await db.deleteFrom('suppressions').where('address_hash', '=', addressHash).execute()
    const row = await db
      .insertInto('suppressions')
      .values({ id, address_hash: addressHash, sealed, source })
      // Somebody else was quicker; his row says the same.
      .onConflict((conflict) => conflict.column('address_hash').doUpdateSet({ address_hash: addressHash }))
      .returning(COLUMNS)
      .executeTakeFirstOrThrow()
    return toSuppression(row)
  },
  remove: async (addressHash) => {
    await db.deleteFrom('suppressions').where('address_hash', '=', addressHash).execute()
  },
})

export const createSuppressionReader = (db: Db): SuppressionReader => ({
  list: async ({ addressHash }, { limit, after }) => {
    const rows = await db
      .selectFrom('suppressions')
      .select(COLUMNS)
      .$if(addressHash !== undefined, (query) => query.where('address_hash', '=', addressHash ?? ''))
      .$if(after !== undefined, (query) =>
        query.where(sql<boolean>`(created_at, id) < (${after?.createdAt}::timestamptz, ${after?.id}::uuid)`),
      )
      .orderBy('created_at', 'desc')
      .orderBy('id', 'desc')
      .limit(limit)
      .execute()
    return rows.map(toSuppression)
  },
})
