import type { NewId } from '@ashlar/kernel'
import type { ExecutionContext } from '@ashlar/platform/context'
import type { Statements } from '@ashlar/platform/postgres'
import { type Kysely, sql } from 'kysely'
import type { AddressRequest, AuthTx } from '../../application/ports.ts'
import type { AuthTables } from './tables.ts'

type Options = { newId: NewId; currentContext: () => ExecutionContext }

/** What was asked for addresses, and how many mails they got for it. */
export const createAddressMail = (
  db: Kysely<AuthTables>,
  statements: Statements,
  { newId, currentContext }: Options,
): Pick<AuthTx, 'addressRequests' | 'mailedLinks'> => ({
  addressRequests: {
    add: async ({ kind, email }, at) => {
      // Goes with the commit: one round trip is all that is done before the answer.
      statements.later(
        'INSERT INTO address_requests (id, kind, email, context, requested_at) VALUES ($1, $2, $3, $4, $5)',
        [newId(), kind, email, JSON.stringify(currentContext()), at],
      )
    },
    take: async (id) => {
      const { rows } = await sql<AddressRequest>`
        DELETE FROM address_requests
        WHERE id = (SELECT id FROM address_requests WHERE id = ${id} FOR UPDATE SKIP LOCKED)
        RETURNING kind, email`.execute(db)
      return rows[0]
    },
  },

  mailedLinks: {
    admit: async ({ addressHash, kind }, at, { enabled, short, long }) => {
      if (!enabled) return true
      const since = (ms: number): Date => new Date(at.getTime() - ms)
      const { numAffectedRows } = await sql`
        INSERT INTO mailed_links (id, address_hash, kind, mailed_at)
        SELECT ${newId()}::uuid, ${addressHash}::text, ${kind}::text, ${at}::timestamptz
        FROM (
          SELECT count(*) AS long, count(*) FILTER (WHERE mailed_at > ${since(short.ms)}) AS short
          FROM mailed_links
          WHERE address_hash = ${addressHash} AND kind = ${kind} AND mailed_at > ${since(long.ms)}) AS mailed
        WHERE mailed.short < ${short.count}::int AND mailed.long < ${long.count}::int`.execute(db)
      return numAffectedRows === 1n
    },
  },
})

/** Those that wait, oldest first, with the contexts that asked. */
export const readAddressRequests = async (
  db: Kysely<AuthTables>,
  limit: number,
): Promise<{ id: string; context: ExecutionContext }[]> =>
  db.selectFrom('address_requests').select(['id', 'context']).orderBy('id').limit(limit).execute()
