import { Kysely } from 'kysely'
import pg from 'pg'
import type { Runtime, ServiceName } from '../runtime/index.ts'
import { PooledConnection, type SimpleResult } from './connection.ts'
import { createDialect, createDialectParts } from './driver.ts'
import { DependencyUnavailable } from './errors.ts'
import { Session, type SessionOptions } from './session.ts'
import { createStatementNames } from './statements.ts'
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

const BEGIN_TRIES = 4

/** A pool of connections to one database. It heals by itself: a broken connection is dropped, the next query opens another. */
export class Database<DB> {
  /** For reads and single statements, each in a transaction of its own. Writes belong into a unit of work. */
  readonly db: Kysely<DB>
  readonly #pool: pg.Pool
  readonly #names = createStatementNames()
  readonly #parts = createDialectParts()
  readonly #dependency: string
  readonly #url: string
  readonly #applicationName: string
  #closed: Promise<void> | undefined

  constructor({ url, max = 10, applicationName, runtime, service, dependency = 'postgres' }: DatabaseOptions) {
    this.#dependency = dependency
    this.#url = url
    this.#applicationName = applicationName
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
    const connections = runtime
      .metrics(service)
      .gauge('db_connections', 'Connections of the pool by state', ['database', 'state'])
    const count = () => {
      connections.set({ database: dependency, state: 'idle' }, this.#pool.idleCount)
      connections.set({ database: dependency, state: 'used' }, this.#pool.totalCount - this.#pool.idleCount)
      connections.set({ database: dependency, state: 'waiting' }, this.#pool.waitingCount)
    }
    for (const event of ['connect', 'acquire', 'release', 'remove'] as const) this.#pool.on(event, count)

    this.db = new Kysely<DB>({
      dialect: createDialect(
        { acquire: () => this.#acquire(), release: async (connection) => connection.release() },
        this.#parts,
      ),
    })
  }

  /**
   * Runs `work` between `begin` (one string in the simple protocol) and COMMIT, on one connection; `begun` is the
   * answer to the last statement of `begin`. What `before` answers after `work`, if anything, is SQL that goes to the
   * server in one string with COMMIT. A throw rolls back and is thrown on. DependencyUnavailable out of COMMIT: the
   * outcome is unknown. A transaction that the server has ended throws at once, also while `work` waits for something
   * else. `work` is never run twice.
   */
  async transact<T>(
    begin: string,
    work: (db: Kysely<DB>, begun: SimpleResult) => Promise<T>,
    before?: () => string | undefined,
  ): Promise<T> {
    const { connection, begun } = await this.#begin(begin)
    const db = new Kysely<DB>({
      dialect: createDialect({ acquire: async () => connection, release: async () => undefined }, this.#parts),
    })
    let began = true
    try {
      const value = await connection.unlessLost(() => work(db, begun))
      const last = before?.()
      const { command } = await connection.simple(last === undefined ? 'COMMIT' : `${last}; COMMIT`)
      began = false
      // PostgreSQL answers COMMIT with ROLLBACK when a statement had failed and its error was swallowed.
      if (command !== 'COMMIT') throw new Error('the transaction was rolled back: an error inside it was swallowed')
      return value
    } catch (error) {
      if (began) await connection.simple('ROLLBACK').catch(() => connection.discard())
      else connection.discard()
      throw error
    } finally {
      connection.release()
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
    try {
      await connection.simple('SELECT 1')
    } finally {
      connection.release()
    }
  }

  /** Waits for the connections that are lent, and closes all. */
  close(): Promise<void> {
    this.#closed ??= this.db.destroy().then(() => this.#pool.end())
    return this.#closed
  }

  /** A connection that idled through a restart of the server is found out here, before anything was done: another is taken. */
  async #begin(begin: string): Promise<{ connection: PooledConnection; begun: SimpleResult }> {
    for (let tries = 1; ; tries += 1) {
      const connection = await this.#acquire()
      try {
        return { connection, begun: await connection.simple(begin) }
      } catch (error) {
        connection.discard()
        connection.release()
        if (!(error instanceof DependencyUnavailable) || tries === BEGIN_TRIES) throw error
      }
    }
  }

  async #acquire(): Promise<PooledConnection> {
    try {
      return new PooledConnection(await this.#pool.connect(), this.#names, this.#dependency)
    } catch (error) {
      if (this.#closed) throw error
      // Whatever the reason, a database that lets nobody in is one that is not there.
      throw new DependencyUnavailable(this.#dependency, error)
    }
  }
}

export const openDatabase = <DB>(options: DatabaseOptions): Database<DB> => new Database<DB>(options)
