import type { CompiledQuery, DatabaseConnection, QueryResult } from 'kysely'
import type pg from 'pg'
import { DependencyUnavailable, isConnectionTrouble, mapError } from './errors.ts'
import { exchange, type Outcome, type Prepared } from './exchange.ts'
import type { StatementSpans } from './spans.ts'
import { isCounted, type Statement } from './statement.ts'
import type { StatementNames } from './statements.ts'

export type ConnectionOptions = {
  names: StatementNames
  /** What this very client has prepared; as long-lived as the client. */
  prepared: Prepared
  dependency: string
  spans?: StatementSpans
}

/** One borrowing of one pooled connection: refuses to work after it was given back. One exchange at a time. */
export class PooledConnection implements DatabaseConnection {
  readonly #client: pg.PoolClient
  readonly #options: ConnectionOptions
  #broken = false
  #released = false
  #onLost: ((error: unknown) => void) | undefined

  constructor(client: pg.PoolClient, options: ConnectionOptions) {
    this.#client = client
    this.#options = options
  }

  /** Calls `tell`, once, when the connection is gone while it is lent. */
  whenLost(tell: ((error: unknown) => void) | undefined): void {
    if (!tell || this.#onLost) return
    this.#onLost = (error: unknown): void => {
      this.#broken = true
      tell(new DependencyUnavailable(this.#options.dependency, error))
    }
    this.#client.once('error', this.#onLost)
  }

  /** All statements in one write, up to the first that fails. Never rejects. */
  async send(statements: readonly Statement[]): Promise<Outcome> {
    if (this.#released) return { answers: [], error: new Error('this connection was given back') }
    const { answers, error } = await exchange(this.#client, statements, this.#options)
    if (error === undefined) return { answers }
    // A plan made before a migration ("cached plan must not change result type") would fail for ever on this connection.
    const stale = error instanceof Error && 'code' in error && error.code === '0A000'
    if (stale || isConnectionTrouble(error)) this.#broken = true
    // Its own stack ends in the driver; this one leads to whoever asked.
    if (error instanceof Error) Error.captureStackTrace(error)
    return { answers, error: mapError(this.#options.dependency, error) }
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const span = this.#options.spans?.statement(query.sql, undefined)
    const { answers, error } = await this.send([{ text: query.sql, values: query.parameters }])
    span?.end(error)
    const [answer] = answers
    if (!answer) throw error
    const { command, count, rows } = answer
    return { rows: rows as R[], ...(isCounted(command) && { numAffectedRows: BigInt(count) }) }
  }

  // biome-ignore lint/correctness/useYield: streaming is not offered, and the type asks for a generator
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error('streaming is not offered: read page by page')
  }

  /** Never gives a connection back to others that may be in the middle of a transaction. */
  discard(): void {
    this.#broken = true
  }

  release(): void {
    if (this.#released) return
    this.#released = true
    if (this.#onLost) this.#client.removeListener('error', this.#onLost)
    this.#client.release(this.#broken)
  }
}
