import { type Kysely, type Selectable, sql } from 'kysely'
import type { AttemptRef } from '../../application/provider.ts'
import type { SandboxDatabase } from './tables.ts'

export type Operation = Selectable<SandboxDatabase['operations']>
export type Kind = Operation['kind']

/** The sandbox's books within one transaction that holds the attempt: a charge and its void cannot pass each other. */
export const booksOf = (db: Kysely<SandboxDatabase>) => ({
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

  book: (
    attemptId: string,
    kind: Kind,
    outcome: NonNullable<Operation['outcome']>,
    failure?: { code: string; message: string },
  ): Promise<Operation> =>
    db
      .updateTable('operations')
      .set({
        outcome,
        decline_code: failure?.code ?? null,
        decline_message: failure?.message ?? null,
        at: sql<Date>`clock_timestamp()`,
      })
      .where('attempt_id', '=', attemptId)
      .where('kind', '=', kind)
      .where('outcome', 'is', null)
      .returningAll()
      .executeTakeFirstOrThrow(),
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
