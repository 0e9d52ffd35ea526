import type { Keyring } from '@ashlar/platform/keys'
import type { Database } from '@ashlar/platform/postgres'
import { type Kysely, type Selectable, sql } from 'kysely'
import type { Posting } from '../../domain/ledger.ts'
import type { Booked, IdRange } from '../../domain/ledger-check.ts'
import { digestOf } from './ledger.ts'
import type { PaymentsDatabase } from './tables.ts'

type Db = Kysely<PaymentsDatabase>

// Below and above every id, so that an open range is read by the same statement as a closed one.
const LOWEST = '00000000-0000-0000-0000-000000000000'
const HIGHEST = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

export const pageEnd = async (db: Db, after: string | undefined, limit: number): Promise<string | undefined> => {
  const row = await db
    .selectFrom('payments')
    .select('transaction_id')
    .where('transaction_id', '>', after ?? LOWEST)
    .orderBy('transaction_id')
    .offset(limit - 1)
    .limit(1)
    .executeTakeFirst()
  return row?.transaction_id
}

/** One snapshot for all tables: what one transaction wrote is seen whole or not at all. */
export const bookedIn = (database: Database<PaymentsDatabase>, keys: Keyring, range: IdRange): Promise<Booked[]> =>
  database.transact([{ text: 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY' }], (db) => read(db, keys, range))

const read = async (db: Db, keys: Keyring, { after = LOWEST, upTo = HIGHEST }: IdRange): Promise<Booked[]> => {
  const inRange = sql<boolean>`transaction_id > ${after} AND transaction_id <= ${upTo}`
  const [payments, attempts, refunds, postings] = await Promise.all([
    db
      .selectFrom('payments')
      .select(['transaction_id', 'status', 'method', 'amount_minor', 'currency'])
      .select(['refunded_minor', 'refund_pending_minor'])
      .where(inRange)
      .orderBy('transaction_id')
      .execute(),
    db.selectFrom('attempts').select(['id', 'transaction_id', 'outcome', 'posted']).where(inRange).execute(),
    db
      .selectFrom('refunds')
      .select(['id', 'transaction_id', 'status', 'amount_minor', 'currency', 'posted'])
      .where(inRange)
      .execute(),
    db
      .selectFrom('postings')
      .selectAll()
      // A Date has milliseconds and an end: what lies below or beyond them would be lost to the digest.
      .select(sql<boolean>`isfinite(posted_at) AND posted_at = date_trunc('milliseconds', posted_at)`.as('whole'))
      .where(inRange)
      .orderBy('transaction_id')
      .orderBy('movement_id')
      .orderBy('account')
      .execute(),
  ])

  const paymentOf = new Map(payments.map((row) => [row.transaction_id, row]))
  const chargeOf = new Map(attempts.map(({ transaction_id, ...charge }) => [transaction_id, charge]))
  const refundsOf = Map.groupBy(refunds, (row) => row.transaction_id)
  const postingsOf = Map.groupBy(postings, (row) => row.transaction_id)
  // Foreign keys forbid what has no payment; who writes past them is found out all the same.
  const ids = new Set([payments, attempts, refunds, postings].flatMap((rows) => rows.map((row) => row.transaction_id)))
  return [...ids].map((transactionId): Booked => {
    const row = paymentOf.get(transactionId)
    return {
      transactionId,
      payment: row && {
        status: row.status,
        method: row.method,
        money: { minor: row.amount_minor, currency: row.currency },
        refundedMinor: row.refunded_minor,
        refundPendingMinor: row.refund_pending_minor,
      },
      charge: chargeOf.get(transactionId),
      refunds: (refundsOf.get(transactionId) ?? []).map(({ id, status, amount_minor: minor, posted, currency }) => ({
        id,
        status,
        posted,
        money: { minor, currency },
      })),
      postings: (postingsOf.get(transactionId) ?? []).map((leg) => toPosting(leg, keys)),
    }
  })
}

type Leg = Selectable<PaymentsDatabase['postings']> & { whole: boolean }

const toPosting = (row: Leg, keys: Keyring): Booked['postings'][number] => {
  const posting: Posting = {
    transactionId: row.transaction_id,
    movementId: row.movement_id,
    kind: row.kind,
    account: row.account,
    amountMinor: row.amount_minor,
    currency: row.currency,
    at: row.posted_at,
  }
  return { ...posting, intact: row.whole && digestOf(keys, posting).equals(row.digest) }
}
