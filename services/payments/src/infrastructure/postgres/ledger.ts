import type { Keyring } from '@ashlar/platform/keys'
import type { Statements } from '@ashlar/platform/postgres'
import { CompiledQuery, type Kysely, sql } from 'kysely'
import type { PaymentTx } from '../../application/ports.ts'
import { type Movement, type Posting, postingsOf, textOf } from '../../domain/ledger.ts'
import type { PaymentsDatabase } from './tables.ts'

type Db = Kysely<PaymentsDatabase>

/** Keyed: who can write to the table, but lacks the master key, cannot make a posting that passes for one of ours. */
export const digestOf = (keys: Keyring, posting: Posting): Buffer =>
  Buffer.from(keys.hash('posting', textOf(posting)), 'hex')

/** One text however many there are, so that it is prepared once. */
const INSERT = `
  INSERT INTO postings (transaction_id, movement_id, kind, account, amount_minor, currency, posted_at, digest)
  SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::timestamptz[],
    $8::bytea[])`

const columnsOf = (keys: Keyring, postings: readonly Posting[]): unknown[][] => [
  postings.map(({ transactionId }) => transactionId),
  postings.map(({ movementId }) => movementId),
  postings.map(({ kind }) => kind),
  postings.map(({ account }) => account),
  postings.map(({ amountMinor }) => amountMinor),
  postings.map(({ currency }) => currency),
  postings.map(({ at }) => at),
  postings.map((posting) => digestOf(keys, posting)),
]

export const ledgerRepository = (statements: Statements, keys: Keyring): PaymentTx['ledger'] => ({
  // Nothing is read from the answer, so it costs no round trip: what goes wrong fails the transaction.
  post: async (movement) => statements.later(INSERT, columnsOf(keys, postingsOf(movement))),
})

/**
 * Movements that were settled without a ledger, locked; nobody else takes them at the same time. In no order: one would
 * have the database read and sort all that are left for each batch.
 */
const unposted = async (db: Db, limit: number): Promise<Movement[]> => {
  const charges = await db
    .selectFrom('attempts as a')
    .innerJoin('payments as p', 'p.transaction_id', 'a.transaction_id')
    .select(['a.id', 'a.transaction_id', 'p.amount_minor', 'p.currency', 'a.settled_at as at'])
    .where('a.outcome', '=', 'succeeded')
    .where('a.posted', '=', sql.lit(false))
    .limit(limit)
    .forUpdate('a')
    .skipLocked()
    .execute()
  const refunds = await db
    .selectFrom('refunds as r')
    // One of no payment, which only who writes past the foreign keys can leave, must not stop all others.
    .innerJoin('payments as p', 'p.transaction_id', 'r.transaction_id')
    .select(['r.id', 'r.transaction_id', 'r.amount_minor', 'r.currency', 'r.updated_at as at'])
    .where('r.status', '=', 'succeeded')
    .where('r.posted', '=', sql.lit(false))
    .limit(limit - charges.length)
    .forUpdate('r')
    .skipLocked()
    .execute()
  const movement = (row: (typeof charges)[number], kind: Movement['kind']): Movement => {
    if (!row.at) throw new Error(`${kind} ${row.id} has ended at no time`)
    const { id, transaction_id: transactionId, amount_minor: minor, currency, at } = row
    return { id, transactionId, kind, money: { minor, currency }, at }
  }
  return [...charges.map((row) => movement(row, 'charge')), ...refunds.map((row) => movement(row, 'refund'))]
}

/** Within one transaction: writes the postings of up to `limit` of them and remembers that; answers how many. */
export const postUnposted = async (db: Db, keys: Keyring, limit: number): Promise<number> => {
  const movements = await unposted(db, limit)
  if (movements.length === 0) return 0
  const ids = movements.map(({ id }) => id)
  // What has postings although it reads unposted was changed by hand: left as it is, for the verification to judge.
  const there = await db
    .selectFrom('postings')
    .select('movement_id')
    .where(sql<boolean>`(transaction_id, movement_id) IN (
      SELECT * FROM unnest(${movements.map(({ transactionId }) => transactionId)}::uuid[], ${ids}::uuid[]))`)
    .execute()
  const known = new Set(there.map((row) => row.movement_id))
  const fresh = movements.filter(({ id }) => !known.has(id))
  if (fresh.length > 0) await db.executeQuery(CompiledQuery.raw(INSERT, columnsOf(keys, fresh.flatMap(postingsOf))))
  const theirs = sql<boolean>`id = ANY (${ids}::uuid[])`
  await db.updateTable('attempts').set({ posted: true }).where(theirs).execute()
  await db.updateTable('refunds').set({ posted: true }).where(theirs).execute()
  return movements.length
}
