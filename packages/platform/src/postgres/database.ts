import type { Kysely } from 'kysely'
import pg from 'pg'
import type { Runtime, ServiceName } from '../runtime/index.ts'
import { PooledConnection } from './connection.ts'
import { createDialectParts, createKysely } from './driver.ts'
import { DependencyUnavailable } from './errors.ts'
import type { Prepared } from './exchange.ts'
import { Session, type SessionOptions } from './session.ts'
import { createStatementSpans, type StatementSpans } from './spans.ts'
import type { Statement, Statements } from './statement.ts'
import { createStatementNames } from './statements.ts'
import { Transaction } from './transaction.ts'
import { columnTypes } from './types.ts'

export type DatabaseOptions = {
  url: string
  /** Most connections at once (10). */
  max?: number
  applicationName: string
  runtime: Runtime
  service: ServiceName
  /** How the store is called in errors and health; `postgres` without it. */
  dependency?: string
}

/** A pool of connections to one database. It heals by itself: a broken connection is dropped, the next query opens another. */
export class Database<DB> {
  /** For reads and single statements, each in a transaction of its own. Writes belong into a unit of work. */
  readonly db: Kysely<DB>
  readonly #pool: pg.Pool
  readonly #names = createStatementNames()
  readonly #prepared = new WeakMap<pg.PoolClient, Prepared>()
  readonly #parts = createDialectParts()
  readonly #dependency: string
  readonly #spans: StatementSpans | undefined
  readonly #url: string
  readonly #applicationName: string
  readonly #uncount: () => void
  #closed: Promise<void> | undefined

  constructor({ url, max = 10, applicationName, runtime, service, dependency = 'postgres' }: DatabaseOptions) {
    this.#dependency = dependency
    this.#url = url
    this.#applicationName = applicationName
    this.#spans = createStatementSpans(runtime, service, url)
    this.#pool = new pg.Pool({
      connectionString: url,
      max,
      application_name: applicationName,
      connectionTimeoutMillis: 5_000,
      idleTimeoutMillis: 60_000,
      keepAlive: true,
      types: columnTypes,
    })
    const log = runtime.logger(service)
    // Both listeners are needed: the pool's for idle connections, the client's for those that are lent. Without
    // one, a server that goes away ends this process.
    this.#pool.on('error', (error) => log.debug({ err: error, dependency }, 'idle database connection lost'))
    this.#pool.on('connect', (client) => client.on('error', () => undefined))
    const help = 'Connections of the pool by state; waiting are requests for one'
    this.#uncount = runtime.metrics(service).sample('db_connections', help, ['database', 'state'], (gauge) => {
      const { idleCount, totalCount, waitingCount } = this.#pool
      gauge.inc({ database: dependency, state: 'idle' }, idleCount)
      gauge.inc({ database: dependency, state: 'used' }, totalCount - idleCount)
      gauge.inc({ database: dependency, state: 'waiting' }, waitingCount)
    })

    this.db = createKysely<DB>(
      {
        provideConnection: async (consumer) => {
          const connection = await this.#acquire()
          try {
            return await consumer(connection)
          } finally {
            connection.release()
          }
        },
      },
      this.#parts,
    )
  }

  /**
   * Runs `work` between `begin` (BEGIN and what goes with it) and COMMIT, on one connection. What `before` answers after
   * `work` is sent together with COMMIT. A throw rolls back and is thrown on. DependencyUnavailable out of COMMIT: the
   * outcome is unknown. A transaction that the server has ended throws at once, also while `work` waits for something
   * else. `work` is never run twice.
   */
  transact<T>(
    begin: readonly Statement[],
    work: (db: Kysely<DB>, statements: Statements) => Promise<T>,
    before?: () => readonly Statement[],
  ): Promise<T> {
    if (!this.#spans) return this.#transact(begin, work, before)
    return this.#spans.transaction((traceparent) => this.#transact(begin, work, before, traceparent))
  }

  async #transact<T>(
    begin: readonly Statement[],
    work: (db: Kysely<DB>, statements: Statements) => Promise<T>,
    before?: () => readonly Statement[],
    traceparent?: string,
  ): Promise<T> {
    const transaction = new Transaction({ acquire: () => this.#acquire(), begin, spans: this.#spans, traceparent })
    const db = createKysely<DB>({ provideConnection: (consumer) => consumer(transaction) }, this.#parts)
    try {
      const value = await transaction.unlessLost(() => work(db, transaction))
      await transaction.commit(before?.() ?? [])
      return value
    } catch (error) {
      await transaction.rollback()
      throw error
    } finally {
      transaction.release()
    }
  }

  /** A connection of its own, outside the pool, to the same database as the same role. */
  session(options: Pick<SessionOptions, 'onNotification'> = {}): Promise<Session> {
    return Session.open({
      url: this.#url,
      applicationName: this.#applicationName,
      dependency: this.#dependency,
      ...options,
    })
  }

  async ping(): Promise<void> {
    const connection = await this.#acquire()
    const { error } = await connection.send([{ text: 'SELECT 1' }])
    connection.release()
    if (error !== undefined) throw error
  }

  /** Waits for the connections that are lent, and closes all. */
  close(): Promise<void> {
    this.#closed ??= this.db
      .destroy()
      .then(() => this.#pool.end())
      .finally(this.#uncount)
    return this.#closed
  }

  async #acquire(): Promise<PooledConnection> {
    try {
      const client = await this.#pool.connect()
      let prepared = this.#prepared.get(client)
      if (!prepared) {
        prepared = new Map()
        this.#prepared.set(client, prepared)
      }
      return new PooledConnection(client, {
        names: this.#names,
        prepared,
        dependency: this.#dependency,
        spans: this.#spans,
      })
    } catch (error) {
      if (this.#closed) throw error
      // Whatever the reason, a database that lets nobody in is one that is not there.
      throw new DependencyUnavailable(this.#dependency, error)
    }
  }
}

export const openDatabase = <DB>(options: DatabaseOptions): Database<DB> => new Database<DB>(options)
