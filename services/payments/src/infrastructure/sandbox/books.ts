import { type Kysely, type Selectable, sql } from 'kysely'
import type { AttemptRef } from '../../application/provider.ts'
import type { IdRange, ProviderRecord } from '../../domain/ledger-check.ts'
import { type Announcement, announce } from './deliveries.ts'
import type { SandboxDatabase } from './tables.ts'

export type Operation = Selectable<SandboxDatabase['operations']>
export type Kind = Operation['kind']

/** The sandbox's books within one transaction that holds the attempt: a charge and its void cannot pass each other. */
export const booksOf = (db: Kysely<SandboxDatabase>, announcement?: Announcement) => ({
  holdAttempt: async (attemptId: string): Promise<void> => {
    await sql`SELECT pg_advisory_xact_lock(hashtextextended(${attemptId}, 0))`.execute(db)
  },

  /** Counts an arrival; the row that it answers has no outcome yet if nothing was booked. */
  receive: (ref: AttemptRef, kind: Kind, source: string | null): Promise<Operation> =>
    db
      .insertInto('operations')
      .values({
        attempt_id: ref.attemptId,
        kind,
        transaction_id: ref.transactionId,
        amount_minor: ref.money.minor,
        currency: ref.money.currency,
        source,
      })
      .onConflict((conflict) =>
        conflict
          .columns(['attempt_id', 'kind'])
          .doUpdateSet((eb) => ({ received_count: eb('operations.received_count', '+', 1) })),
      )
      .returningAll()
      .executeTakeFirstOrThrow(),

  find: (attemptId: string, kind: Kind): Promise<Operation | undefined> =>
    db
      .selectFrom('operations')
      .selectAll()
      .where('attempt_id', '=', attemptId)
      .where('kind', '=', kind)
      .executeTakeFirst(),

  /** Ends the attempt. `kind` is `void` where nothing but the void is booked. */
  book: async (
    ref: AttemptRef,
    kind: Kind,
    outcome: NonNullable<Operation['outcome']>,
    failure?: { code: string; message: string },
  ): Promise<Operation> => {
    const operation = await db
      .updateTable('operations')
      .set({
        outcome,
        decline_code: failure?.code ?? null,
        decline_message: failure?.message ?? null,
        at: sql<Date>`clock_timestamp()`,
      })
      .where('attempt_id', '=', ref.attemptId)
      .where('kind', '=', kind)
      .where('outcome', 'is', null)
      .returningAll()
      .executeTakeFirstOrThrow()
    if (announcement) await announce(db, ref, outcome, announcement)
    return operation
  },
})

export type Books = ReturnType<typeof booksOf>

/** Everything booked for a payment, oldest first. */
export const bookedFor = (db: Kysely<SandboxDatabase>, transactionId: string): Promise<Operation[]> =>
  db
    .selectFrom('operations')
    .selectAll()
    .where('transaction_id', '=', transactionId)
    .where('outcome', 'is not', null)
    .orderBy('at')
    .orderBy('kind')
    .execute()

/** What ended of the payments in a range of ids, in the order of the ids. */
export const recordsOf = async (
  db: Kysely<SandboxDatabase>,
  { after, upTo }: IdRange,
  limit: number | undefined,
): Promise<ProviderRecord[]> => {
  let query = db
    .selectFrom('operations')
    .select(['attempt_id', 'transaction_id', 'kind', 'amount_minor', 'currency', 'outcome'])
    .where('outcome', 'is not', null)
    .where('kind', '<>', 'void')
  if (after !== undefined) query = query.where('transaction_id', '>', after)
  if (upTo !== undefined) query = query.where('transaction_id', '<=', upTo)
  if (limit !== undefined) query = query.limit(limit)
  const rows = await query.orderBy('transaction_id').execute()
  return rows.flatMap(({ kind, outcome, ...row }) =>
    kind === 'void' || outcome === null
      ? []
      : {
          attemptId: row.attempt_id,
          transactionId: row.transaction_id,
          kind,
          money: { minor: row.amount_minor, currency: row.currency },
          outcome,
        },
  )
}
