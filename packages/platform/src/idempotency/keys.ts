import { type Kysely, sql } from 'kysely'
import type { Statements } from '../postgres/statement.ts'
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

/** Idempotency keys in the table `idempotency_keys`, within the transaction of `statements`. */
export const createIdempotencyKeys = (statements: Statements): IdempotencyKeys => {
  /** True when the row is ours. */
  const insert = async (
    { scope, key, fingerprint }: KeyUse,
    waitMs: number,
    lease: Lease | undefined,
  ): Promise<boolean> => {
    try {
      const values = [scope, key, fingerprint, lease?.owner ?? null, lease?.seconds ?? null, String(waitMs)]
      const rows = await statements.ask(INSERT, values)
      // What the transaction does next waits as long as usual again.
      statements.later('SET LOCAL lock_timeout TO DEFAULT')
      return rows.length === 1
    } catch (error) {
      if ((error as { code?: unknown }).code === LOCK_NOT_AVAILABLE)
        throw new KeyBusy('The idempotency key is in use.', { cause: error })
      throw error
    }
  }

  const find = async ({ scope, key }: KeyUse, locked: boolean): Promise<Row | undefined> => {
    const [row] = await statements.ask<Row>(locked ? `${FIND} FOR UPDATE` : FIND, [scope, key])
    return row
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
      statements.later(TAKE_OVER, [use.scope, use.key, lease.owner, lease.seconds])
      return { state: 'reserved' }
    },
    complete: async ({ scope, key }, { status, headers, body }: StoredResponse, owner) => {
      const values = [scope, key, owner ?? null, status, JSON.stringify(headers), body]
      if (owner === undefined) {
        statements.later(COMPLETE_OWN, values)
        return true
      }
      return (await statements.ask(COMPLETE, values)).length === 1
    },
    release: async ({ scope, key }, owner) => statements.later(RELEASE, [scope, key, owner ?? null]),
  }
}

/**
 * Where an uncommitted row of the same key exists, the insert waits for its transaction, at most as long as `$6` says:
 * `lock_timeout` is set in the source of the insert, which is read before the row is tried.
 */
const INSERT = `
  INSERT INTO idempotency_keys (scope, key, fingerprint, state, owner, lease_until)
  SELECT $1, $2, $3, 'running', $4::uuid, clock_timestamp() + make_interval(secs => $5::float8)
  FROM (SELECT set_config('lock_timeout', $6, true) AS waiting) AS setting
  WHERE waiting IS NOT NULL
  ON CONFLICT (scope, key) DO NOTHING
  RETURNING true`

const FIND = `
  SELECT state, fingerprint, owner, coalesce(lease_until > clock_timestamp(), false) AS leased, status, headers, body
  FROM idempotency_keys WHERE scope = $1 AND key = $2`

const TAKE_OVER = `
  UPDATE idempotency_keys SET owner = $3::uuid, lease_until = clock_timestamp() + make_interval(secs => $4::float8)
  WHERE scope = $1 AND key = $2`

const COMPLETE = `
  UPDATE idempotency_keys SET state = 'done', status = $4, headers = $5::jsonb, body = $6, lease_until = NULL
  WHERE scope = $1 AND key = $2 AND state = 'running' AND owner IS NOT DISTINCT FROM $3::uuid
  RETURNING true`

/** The row that this very transaction has inserted: were it gone, the division ends the transaction. */
const COMPLETE_OWN = `WITH completed AS (${COMPLETE}) SELECT 1 / count(*) FROM completed`

const RELEASE = `
  DELETE FROM idempotency_keys
  WHERE scope = $1 AND key = $2 AND state = 'running' AND owner IS NOT DISTINCT FROM $3::uuid`

const LOCK_NOT_AVAILABLE = '55P03'

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
