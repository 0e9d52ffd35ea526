import { type Kysely, sql } from 'kysely'
import type { Lease, PaymentTx } from '../../application/ports.ts'
import type { PaymentsDatabase } from './tables.ts'

type Db = Kysely<PaymentsDatabase>

/** Database time moved by milliseconds; never the time of the process, which another one's may differ from. */
const later = (ms: number) => sql<Date>`clock_timestamp() + ${ms}::float8 * interval '1 millisecond'`

export const leasesRepository = (db: Db): PaymentTx['leases'] => ({
  open: async ({ attemptId, kind, transactionId, owner, leaseMs, requestId, traceparent }) => {
    await db
      .insertInto('attempt_leases')
      .values({
        attempt_id: attemptId,
        kind,
        transaction_id: transactionId,
        owner,
        leased_until: later(leaseMs),
        look_at: later(leaseMs),
        request_id: requestId,
        traceparent,
      })
      .execute()
  },
  close: async (attemptId) => {
    await db.deleteFrom('attempt_leases').where('attempt_id', '=', attemptId).execute()
  },
})

export const claimDue = async (db: Db, owner: string, leaseMs: number, limit: number): Promise<Lease[]> => {
  const rows = await db
    .updateTable('attempt_leases')
    .set((eb) => ({ owner, leased_until: later(leaseMs), looks: eb('looks', '+', 1) }))
    .where('attempt_id', 'in', (eb) =>
      eb
        .selectFrom('attempt_leases')
        .select('attempt_id')
        .where('look_at', '<=', sql<Date>`clock_timestamp()`)
        .where('leased_until', '<=', sql<Date>`clock_timestamp()`)
        .orderBy('look_at')
        .limit(limit)
        .forUpdate()
        .skipLocked(),
    )
    .returning([
      'attempt_id',
      'kind',
      'transaction_id',
      'owner',
      'looks',
      'request_id',
      'traceparent',
      sql<number>`(extract(epoch FROM clock_timestamp() - started_at) * 1000)::float8`.as('age_ms'),
    ])
    .execute()
  return rows.map((row) => ({
    attemptId: row.attempt_id,
    kind: row.kind,
    transactionId: row.transaction_id,
    owner: row.owner,
    looks: row.looks,
    ageMs: row.age_ms,
    requestId: row.request_id,
    traceparent: row.traceparent,
  }))
}

export const postpone = async (db: Db, attemptId: string, owner: string, delayMs: number): Promise<void> => {
  await db
    .updateTable('attempt_leases')
    .set({ leased_until: sql<Date>`clock_timestamp()`, look_at: later(delayMs) })
    .where('attempt_id', '=', attemptId)
    .where('owner', '=', owner)
    .execute()
}

/** Who holds a lease that has not run out. */
export const holders = async (db: Db): Promise<string[]> => {
  const rows = await db
    .selectFrom('attempt_leases')
    .select('owner')
    .distinct()
    .where('leased_until', '>', sql<Date>`clock_timestamp()`)
    .execute()
  return rows.map((row) => row.owner)
}

export const forfeit = async (db: Db, owners: string[]): Promise<number> => {
  const now = sql<Date>`clock_timestamp()`
  const result = await db
    .updateTable('attempt_leases')
    .set({ leased_until: now, look_at: now })
    .where('owner', 'in', owners)
    .where('leased_until', '>', now)
    .executeTakeFirst()
  return Number(result.numUpdatedRows)
}
