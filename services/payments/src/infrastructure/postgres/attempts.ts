import type { Keyring } from '@ashlar/platform/keys'
import type { Kysely, Selectable } from 'kysely'
import { sql } from 'kysely'
import type { PaymentTx } from '../../application/ports.ts'
import type { Attempt } from '../../domain/attempt.ts'
import type { PaymentsDatabase } from './tables.ts'

const toAttempt = (row: Selectable<PaymentsDatabase['attempts']>): Attempt => ({
  id: row.id,
  transactionId: row.transaction_id,
  requestKey: row.request_key,
  outcome: row.outcome,
  reference: row.reference,
  startedAt: row.started_at,
  settledAt: row.settled_at,
})

export const findAttempt = async (db: Kysely<PaymentsDatabase>, transactionId: string) => {
  const row = await db.selectFrom('attempts').selectAll().where('transaction_id', '=', transactionId).executeTakeFirst()
  return row && toAttempt(row)
}

export const attemptsRepository = (db: Kysely<PaymentsDatabase>): PaymentTx['attempts'] => ({
  insert: async (attempt) => {
    await db
      .insertInto('attempts')
      .values({
        id: attempt.id,
        transaction_id: attempt.transactionId,
        request_key: attempt.requestKey,
        outcome: attempt.outcome,
        reference: attempt.reference,
        started_at: attempt.startedAt,
        settled_at: attempt.settledAt,
      })
      .execute()
  },
  ofPayment: (transactionId) => findAttempt(db, transactionId),
  settle: async ({ id, outcome, reference, settledAt }) => {
    // Whoever settles a success posts it in the same unit of work.
    const posted = outcome === 'succeeded'
    await db
      .updateTable('attempts')
      .set({ outcome, reference, settled_at: settledAt, posted })
      .where('id', '=', id)
      .execute()
  },
})

const bound = (transactionId: string) => ({ table: 'payment_sources', column: 'sealed', row: transactionId })

export const openSource = async (db: Kysely<PaymentsDatabase>, keys: Keyring, transactionId: string) => {
  const row = await db
    .selectFrom('payment_sources')
    .select('sealed')
    .where('transaction_id', '=', transactionId)
    .executeTakeFirst()
  return row && keys.open('payment-source', row.sealed, bound(transactionId)).toString('utf8')
}

export const sourcesRepository = (db: Kysely<PaymentsDatabase>, keys: Keyring): PaymentTx['sources'] => ({
  keep: async (transactionId, source) => {
    const sealed = keys.seal('payment-source', source, bound(transactionId))
    await db
      .insertInto('payment_sources')
      .values({ transaction_id: transactionId, sealed })
      .onConflict((conflict) =>
        conflict.column('transaction_id').doUpdateSet({ sealed, changed_at: sql<Date>`clock_timestamp()` }),
      )
      .execute()
  },
  get: (transactionId) => openSource(db, keys, transactionId),
  drop: async (transactionId) => {
    await db.deleteFrom('payment_sources').where('transaction_id', '=', transactionId).execute()
  },
})
