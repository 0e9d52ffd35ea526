import type { CompiledQuery, DatabaseConnection, QueryResult } from 'kysely'
import type pg from 'pg'
import { DependencyUnavailable, isConnectionTrouble, mapError } from './errors.ts'
import type { StatementNames } from './statements.ts'

const COUNTED: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE'])

/** The answer of one statement: rows and the command tag (`COMMIT`, `ROLLBACK`, …). */
export type SimpleResult = { command: string; rows: Record<string, unknown>[] }

/** One borrowing of one pooled connection: refuses to work after it was given back. */
export class PooledConnection implements DatabaseConnection {
  readonly #client: pg.PoolClient
  readonly #names: StatementNames
  readonly #dependency: string
  #broken = false
  #released = false
  #last: Promise<unknown> = Promise.resolve()
  #onLost: ((error: unknown) => void) | undefined

  constructor(client: pg.PoolClient, names: StatementNames, dependency: string) {
    this.#client = client
    this.#names = names
    this.#dependency = dependency
  }

  /** What `work` answers, or DependencyUnavailable as soon as the connection is gone, whatever `work` still waits for. */
  async unlessLost<T>(work: () => Promise<T>): Promise<T> {
    const lost = new Promise<never>((_resolve, reject) => {
      const onLost = (error: unknown): void => {
        this.#broken = true
        reject(new DependencyUnavailable(this.#dependency, error))
      }
      this.#onLost = onLost
      this.#client.once('error', onLost)
    })
    return Promise.race([work(), lost])
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const result = await this.#ask({
      name: this.#names.nameOf(query.sql),
      text: query.sql,
      values: query.parameters as unknown[],
    })
    return {
      rows: (result.rows ?? []) as R[],
      ...(COUNTED.has(result.command) ? { numAffectedRows: BigInt(result.rowCount ?? 0) } : {}),
    }
  }

  /** One string in the simple protocol: several statements, one round trip, no parameters. Answers the last one's result. */
  async simple(text: string): Promise<SimpleResult> {
    const result = (await this.#ask({ text })) as unknown as SimpleResult | SimpleResult[]
    return (Array.isArray(result) ? result.at(-1) : result) ?? { command: '', rows: [] }
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

  /** The driver wants one query at a time; parallel ones of a transaction wait here for their turn. */
  async #ask(config: pg.QueryConfig): Promise<pg.QueryResult> {
    if (this.#released) throw new Error('the transaction of this query has ended: a promise was not awaited')
    const turn = this.#last.then(
      () => this.#client.query(config),
      () => this.#client.query(config),
    )
    this.#last = turn.catch(() => undefined)
    try {
      return await turn
    } catch (error) {
      // A plan made before a migration ("cached plan must not change result type") would fail for ever on this connection.
      const stale = error instanceof Error && 'code' in error && error.code === '0A000'
      if (stale || isConnectionTrouble(error)) this.#broken = true
      throw mapError(this.#dependency, error)
    }
  }
}
