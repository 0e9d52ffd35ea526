import { type Kysely, sql } from 'kysely'
import type { IdempotencyKeys, KeyUse, Lease, Reservation, StoredResponse } from './types.ts'

/** Another transaction holds the key for longer than the caller wanted to wait. The transaction it was thrown in is void. */
export class KeyBusy extends Error {
  override name = 'KeyBusy'
}

type Row = {
  state: 'running' | 'done'
  fingerprint: string
  owner: string | null
  leased: boolean
  status: number | null
  headers: Record<string, string> | null
  body: Buffer | null
}

/** Idempotency keys in the table `idempotency_keys`, within the transaction that `db` is. */
// biome-ignore lint/suspicious/noExplicitAny: the database belongs to a service whose tables are not known here
export const createIdempotencyKeys = (db: Kysely<any>): IdempotencyKeys => {
  /**
   * True when the row is ours. Where an uncommitted row of the same key exists, the insert waits for its transaction,
   * at most `waitMs`: `lock_timeout` is set in the source of the insert, which is read before the row is tried.
   */
  const insert = async (
    { scope, key, fingerprint }: KeyUse,
    waitMs: number,
    lease: Lease | undefined,
  ): Promise<boolean> => {
    try {
      const { rows } = await sql`
        INSERT INTO idempotency_keys (scope, key, fingerprint, state, owner, lease_until)
        SELECT ${scope}, ${key}, ${fingerprint}, 'running', ${lease?.owner ?? null}::uuid,
               clock_timestamp() + make_interval(secs => ${lease?.seconds ?? null}::float8)
        FROM (SELECT set_config('lock_timeout', ${String(waitMs)}, true) AS waiting) AS setting
        WHERE waiting IS NOT NULL
        ON CONFLICT (scope, key) DO NOTHING
        RETURNING true`.execute(db)
      await sql`SET LOCAL lock_timeout TO DEFAULT`.execute(db)
      return rows.length === 1
    } catch (error) {
      if ((error as { code?: unknown }).code === LOCK_NOT_AVAILABLE)
        throw new KeyBusy('The idempotency key is in use.', { cause: error })
      throw error
    }
  }

  const find = async ({ scope, key }: KeyUse, locked: boolean): Promise<Row | undefined> => {
    const { rows } = await sql<Row>`
      SELECT state, fingerprint, owner, coalesce(lease_until > clock_timestamp(), false) AS leased, status, headers, body
      FROM idempotency_keys WHERE scope = ${scope} AND key = ${key} ${locked ? sql`FOR UPDATE` : sql``}`.execute(db)
    return rows[0]
  }

  const judge = (row: Row, use: KeyUse): Reservation | undefined => {
    if (row.fingerprint !== use.fingerprint) return { state: 'reused' }
    if (row.state === 'running') return undefined
    const { status, headers, body } = row
    return {
      state: 'stored',
      response: { status: status ?? 200, headers: headers ?? {}, body: body ?? Buffer.alloc(0) },
    }
  }

  return {
    reserve: async (use, waitMs) => {
      if (await insert(use, waitMs, undefined)) return { state: 'reserved' }
      const row = await find(use, false)
      // Given back between our insert and our look: whoever held it is done, the next try gets it.
      if (!row) return { state: 'running' }
      return judge(row, use) ?? { state: 'running' }
    },
    acquire: async (use, lease, waitMs) => {
      if (await insert(use, waitMs, lease)) return { state: 'reserved' }
      const row = await find(use, true)
      if (!row) return { state: 'running' }
      const verdict = judge(row, use)
      if (verdict) return verdict
      if (row.leased && row.owner !== null && lease.ownerAlive(row.owner)) return { state: 'running' }
      await sql`
        UPDATE idempotency_keys
        SET owner = ${lease.owner}::uuid, lease_until = clock_timestamp() + make_interval(secs => ${lease.seconds}::float8)
        WHERE scope = ${use.scope} AND key = ${use.key}`.execute(db)
      return { state: 'reserved' }
    },
    complete: async (use, { status, headers, body }: StoredResponse, owner) => {
      const { numAffectedRows } = await sql`
        UPDATE idempotency_keys
        SET state = 'done', status = ${status}, headers = ${JSON.stringify(headers)}::jsonb, body = ${body}, lease_until = NULL
        WHERE scope = ${use.scope} AND key = ${use.key} AND state = 'running' AND ${ownedBy(owner)}`.execute(db)
      return numAffectedRows === 1n
    },
    release: async (use, owner) => {
      await sql`
        DELETE FROM idempotency_keys
        WHERE scope = ${use.scope} AND key = ${use.key} AND state = 'running' AND ${ownedBy(owner)}`.execute(db)
    },
  }
}

const LOCK_NOT_AVAILABLE = '55P03'

const ownedBy = (owner: string | undefined) =>
  owner === undefined ? sql<boolean>`owner IS NULL` : sql<boolean>`owner = ${owner}::uuid`

/** Forgets keys older than `olderThanHours` (72), at most `batch` (10,000) at a time. Answers how many. */
export const pruneIdempotencyKeys = async (
  // biome-ignore lint/suspicious/noExplicitAny: as above
  db: Kysely<any>,
  { olderThanHours = 72, batch = 10_000 }: { olderThanHours?: number; batch?: number } = {},
): Promise<number> => {
  const { numAffectedRows } = await sql`
    DELETE FROM idempotency_keys WHERE (scope, key) IN (
      SELECT scope, key FROM idempotency_keys
      WHERE created_at < now() - make_interval(hours => ${olderThanHours}::int)
        AND (lease_until IS NULL OR lease_until < now())
      ORDER BY created_at LIMIT ${batch}::int FOR UPDATE SKIP LOCKED)`.execute(db)
  return Number(numAffectedRows ?? 0n)
}
