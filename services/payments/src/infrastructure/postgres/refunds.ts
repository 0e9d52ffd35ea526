import { exponentOf } from '@ashlar/kernel'
import type { Kysely, Selectable } from 'kysely'
import type { Page, PaymentTx } from '../../application/ports.ts'
import type { Refund } from '../../domain/refund.ts'
import type { PaymentsDatabase } from './tables.ts'

const toRefund = (row: Selectable<PaymentsDatabase['refunds']>): Refund => ({
  id: row.id,
  transactionId: row.transaction_id,
  userId: row.user_id,
  money: { minor: row.amount_minor, currency: row.currency },
  status: row.status,
  reason: row.reason,
  failure: row.failure_code === null ? null : { code: row.failure_code, message: row.failure_message ?? '' },
  requestKey: row.request_key,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

export const findRefund = async (db: Kysely<PaymentsDatabase>, transactionId: string, id: string) => {
  const row = await db
    .selectFrom('refunds')
    .selectAll()
    .where('transaction_id', '=', transactionId)
    .where('id', '=', id)
    .executeTakeFirst()
  return row && toRefund(row)
}

export const refundsRepository = (db: Kysely<PaymentsDatabase>): PaymentTx['refunds'] => ({
  insert: async (refund) => {
    await db
      .insertInto('refunds')
      .values({
        id: refund.id,
        transaction_id: refund.transactionId,
        user_id: refund.userId,
        amount_minor: refund.money.minor,
        exponent: exponentOf(refund.money.currency),
        currency: refund.money.currency,
        status: refund.status,
        reason: refund.reason,
        failure_code: refund.failure?.code ?? null,
        failure_message: refund.failure?.message ?? null,
        request_key: refund.requestKey,
        created_at: refund.createdAt,
        updated_at: refund.updatedAt,
      })
      .execute()
  },
  get: (transactionId, id) => findRefund(db, transactionId, id),
  byRequest: async (transactionId, requestKey) => {
    const row = await db
      .selectFrom('refunds')
      .selectAll()
      .where('transaction_id', '=', transactionId)
      .where('request_key', '=', requestKey)
      .executeTakeFirst()
    return row && toRefund(row)
  },
  settle: async ({ id, status, failure, updatedAt }) => {
    await db
      .updateTable('refunds')
      .set({
        status,
        failure_code: failure?.code ?? null,
        failure_message: failure?.message ?? null,
        updated_at: updatedAt,
        // Whoever settles a success posts it in the same unit of work.
        posted: status === 'succeeded',
      })
      .where('id', '=', id)
      .execute()
  },
})

export const refundsOf = async (
  db: Kysely<PaymentsDatabase>,
  transactionId: string,
  { limit, after }: Page,
): Promise<Refund[]> => {
  let query = db.selectFrom('refunds').selectAll().where('transaction_id', '=', transactionId)
  if (after)
    query = query.where(({ eb, refTuple, tuple }) =>
      eb(refTuple('created_at', 'id'), '<', tuple(after.createdAt, after.id)),
    )
  const rows = await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute()
  return rows.map(toRefund)
}
