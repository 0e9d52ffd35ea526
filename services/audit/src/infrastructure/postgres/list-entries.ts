import { type Kysely, type SqlBool, sql } from 'kysely'
import type { EntryFilter, EntryPage } from '../../application/ports.ts'
import type { Entry } from '../../domain/entry.ts'
import type { AuditDatabase } from './database.ts'
import { ENTRY_COLUMNS, recordedAt, toEntry } from './rows.ts'

/** One page by (recorded_at, id); each filter alone has an index that is in this order. */
export const listQuery = (db: Kysely<AuditDatabase>, { filter, order, after, limit }: EntryPage) => {
  const direction = order === 'newest' ? 'desc' : 'asc'
  let query = db.selectFrom('entries').select(ENTRY_COLUMNS).select(recordedAt.as('recorded_at'))
  for (const condition of conditions(filter)) query = query.where(condition)
  if (after) {
    const place = sql`(${after.recordedAt}::timestamptz, ${after.id}::uuid)`
    query = query.where(
      order === 'newest' ? sql<SqlBool>`(recorded_at, id) < ${place}` : sql<SqlBool>`(recorded_at, id) > ${place}`,
    )
  }
  return query.orderBy('entries.recorded_at', direction).orderBy('id', direction).limit(limit)
}

export const listEntries = async (db: Kysely<AuditDatabase>, page: EntryPage): Promise<Entry[]> =>
  (await listQuery(db, page).execute()).map(toEntry)

const conditions = ({ actor, action, entity, entityId, service, requestId, from, to }: EntryFilter) => [
  ...(actor === undefined ? [] : byActor(actor)),
  ...(action === undefined ? [] : [sql<SqlBool>`action = ${action}`]),
  ...(entity === undefined ? [] : [sql<SqlBool>`entity = ${entity}`]),
  ...(entityId === undefined ? [] : [sql<SqlBool>`entity_id = ${entityId}`]),
  ...(service === undefined ? [] : [sql<SqlBool>`service = ${service}`]),
  ...(requestId === undefined ? [] : [sql<SqlBool>`context ->> 'requestId' = ${requestId}`]),
  ...(from === undefined ? [] : [sql<SqlBool>`recorded_at >= ${from}::timestamptz`]),
  ...(to === undefined ? [] : [sql<SqlBool>`recorded_at < ${to}::timestamptz`]),
]

const TYPED_ACTOR = /^(user|anonymous|service|cli|provider|database):(.*)$/s

const byActor = (actor: string) => {
  const typed = TYPED_ACTOR.exec(actor)
  return typed
    ? [sql<SqlBool>`actor ->> 'id' = ${typed[2]}`, sql<SqlBool>`actor ->> 'type' = ${typed[1]}`]
    : [sql<SqlBool>`actor ->> 'id' = ${actor}`]
}
