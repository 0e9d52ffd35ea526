import type { Kysely } from 'kysely'
import type { ExecutionContext } from '../context/index.ts'
import { createIdempotencyKeys, type IdempotencyKeys } from '../idempotency/index.ts'
import { createInbox, createOutbox, type HandledEvent, type Inbox, type Outbox } from '../outbox/index.ts'
import type { Runtime, ServiceName } from '../runtime/index.ts'
import type { Database } from './database.ts'
import type { Statement, Statements } from './statement.ts'

/**
 * Runs `work` in one transaction: the only way to write. A `Result` that refuses commits; only a throw rolls back.
 * `event`: put into the inbox together with BEGIN, so that `tx.inbox.first` of it costs no round trip.
 */
export type UnitOfWork<Tx> = <T>(work: (tx: Tx) => Promise<T>, event?: HandledEvent) => Promise<T>

/** What every transaction offers besides the service's own repositories. */
export type PlatformTx = {
  outbox: Outbox
  inbox: Inbox
  idempotency: IdempotencyKeys
  /** For the platform's own decorators; a service writes through its repositories. */
  // biome-ignore lint/suspicious/noExplicitAny: its tables are the service's, which the platform does not know
  db: Kysely<any>
}

export type UnitOfWorkOptions<DB, Repos> = {
  database: Database<DB>
  runtime: Runtime
  service: ServiceName
  /** `statements`: plain SQL in the same transaction, for writes that need no round trip of their own. */
  repositories: (db: Kysely<DB>, statements: Statements) => Repos
  /** After each commit. Must not throw. */
  afterCommit?: () => void
  /** After each commit that appended events: wakes the relay. Must not throw. */
  onAppended?: () => void
}

/**
 * Throws DependencyUnavailable when the store cannot be reached or the connection breaks before COMMIT is answered;
 * the outcome is then unknown and `work` is not run again. Outside an execution context it throws at once.
 */
export const createUnitOfWork = <DB, Repos>({
  database,
  runtime,
  service,
  repositories,
  afterCommit,
  onAppended,
}: UnitOfWorkOptions<DB, Repos>): UnitOfWork<Repos & PlatformTx> => {
  return async (work, event) => {
    const begin = beginWithContext(runtime.context.current())
    const outbox = createOutbox({ runtime, service })
    let appended = false
    const value = await database.transact(
      begin,
      async (db, statements) => {
        const tx = {
          ...repositories(db, statements),
          outbox: { append: outbox.append },
          inbox: createInbox(statements, event),
          idempotency: createIdempotencyKeys(statements),
          db,
        }
        const answer = await work(tx)
        await runtime.faults.hit(`${service}.commit.before`)
        return answer
      },
      () => {
        const inserts = outbox.flush()
        appended = inserts.length > 0
        return inserts
      },
    )
    await runtime.faults.hit(`${service}.commit.after`)
    afterCommit?.()
    if (appended) onAppended?.()
    return value
  }
}

/**
 * BEGIN, the audit context as a transactional message in the WAL, and a mark that tells the triggers of audited
 * tables that this transaction has one. `session_user` is added in SQL: it is what the server knows, not what the
 * program says.
 */
export const beginWithContext = ({
  actor,
  requestId,
  traceparent,
  ip,
  userAgent,
  reason,
}: ExecutionContext): readonly Statement[] => {
  const content = JSON.stringify({
    actor: { type: actor.type, id: actor.id },
    requestId,
    traceparent,
    ip,
    userAgent,
    reason,
  })
  return [{ text: 'BEGIN' }, { text: CONTEXT, values: [`${content.slice(0, -1)},"sessionUser":`] }]
}

const CONTEXT = `SELECT pg_logical_emit_message(true, 'ashlar.audit', $1::text || to_json(session_user::text)::text || '}'),
  set_config('ashlar.mark', pg_current_xact_id()::text, true)`
