import { exponentOf } from '@ashlar/kernel'
import type { Statements } from '@ashlar/platform/postgres'
import type { Kysely, Selectable } from 'kysely'
import type { Page, PaymentFilter, PaymentTx } from '../../application/ports.ts'
import type { Payment } from '../../domain/payment.ts'
import type { PaymentsDatabase } from './tables.ts'

type Row = Selectable<PaymentsDatabase['payments']>

const toPayment = (row: Row): Payment => ({
  transactionId: row.transaction_id,
  userId: row.user_id,
  money: { minor: row.amount_minor, currency: row.currency },
  method: row.method,
  status: row.status,
  refundedMinor: row.refunded_minor,
  refundPendingMinor: row.refund_pending_minor,
  description: row.description,
  metadata: row.metadata,
  failure: row.failure_code === null ? null : { code: row.failure_code, message: row.failure_message ?? '' },
  attempts: row.attempts,
  version: row.version,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

const mutable = (payment: Payment) => ({
  status: payment.status,
  refunded_minor: payment.refundedMinor,
  refund_pending_minor: payment.refundPendingMinor,
  failure_code: payment.failure?.code ?? null,
  failure_message: payment.failure?.message ?? null,
  attempts: payment.attempts,
  version: payment.version,
  updated_at: payment.updatedAt,
})

export const paymentsRepository = (db: Kysely<PaymentsDatabase>, statements: Statements): PaymentTx['payments'] => ({
  // Sent with what follows it: a payment is created in one round trip less.
  insert: async (payment) =>
    statements.later(INSERT, [
      payment.transactionId,
      payment.userId,
      payment.money.minor,
      exponentOf(payment.money.currency),
      payment.money.currency,
      payment.method,
      payment.description,
      JSON.stringify(payment.metadata),
      payment.createdAt,
      payment.status,
      payment.refundedMinor,
      payment.refundPendingMinor,
      payment.failure?.code,
      payment.failure?.message,
      payment.attempts,
      payment.version,
      payment.updatedAt,
    ]),
  lock: async (transactionId) => {
    const row = await db
      .selectFrom('payments')
      .selectAll()
      .where('transaction_id', '=', transactionId)
      .forUpdate()
      .executeTakeFirst()
    return row && toPayment(row)
  },
  update: async (payment) => {
    const result = await db
      .updateTable('payments')
      .set(mutable(payment))
      .where('transaction_id', '=', payment.transactionId)
      // The lock makes this always true; were it ever not held, the change is lost loudly instead of silently.
      .where('version', '=', payment.version - 1)
      .executeTakeFirst()
    if (result.numUpdatedRows !== 1n) throw new Error(`payment ${payment.transactionId} was changed without its lock`)
  },
})

const INSERT = `
  INSERT INTO payments (transaction_id, user_id, amount_minor, exponent, currency, method, description, metadata,
    created_at, status, refunded_minor, refund_pending_minor, failure_code, failure_message, attempts, version, updated_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`

export const findPayment = async (db: Kysely<PaymentsDatabase>, transactionId: string) => {
  const row = await db.selectFrom('payments').selectAll().where('transaction_id', '=', transactionId).executeTakeFirst()
  return row && toPayment(row)
}

export const listQuery = (db: Kysely<PaymentsDatabase>, filter: PaymentFilter, { limit, after }: Page) => {
  let query = db.selectFrom('payments').selectAll()
  if (filter.userId !== undefined) query = query.where('user_id', '=', filter.userId)
  if (filter.status !== undefined) query = query.where('status', '=', filter.status)
  if (filter.method !== undefined) query = query.where('method', '=', filter.method)
  if (filter.currency !== undefined) query = query.where('currency', '=', filter.currency)
  if (filter.from !== undefined) query = query.where('created_at', '>=', filter.from)
  if (filter.to !== undefined) query = query.where('created_at', '<', filter.to)
  if (filter.minMinor !== undefined) query = query.where('amount_minor', '>=', filter.minMinor)
  if (filter.maxMinor !== undefined) query = query.where('amount_minor', '<=', filter.maxMinor)
  if (after)
    query = query.where(({ eb, refTuple, tuple }) =>
      eb(refTuple('created_at', 'transaction_id'), '<', tuple(after.createdAt, after.id)),
    )
  return query.orderBy('created_at', 'desc').orderBy('transaction_id', 'desc').limit(limit)
}

export const listPayments = async (
  db: Kysely<PaymentsDatabase>,
  filter: PaymentFilter,
  page: Page,
): Promise<Payment[]> => (await listQuery(db, filter, page).execute()).map(toPayment)
