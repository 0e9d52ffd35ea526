import pg from 'pg'
import { DependencyUnavailable, isConnectionTrouble, mapError } from './errors.ts'
import { exchange, type Prepared } from './exchange.ts'
import type { Answer, Statement } from './statement.ts'
import { createStatementNames, type StatementNames } from './statements.ts'
import { columnTypes } from './types.ts'

export type SessionOptions = {
  url: string
  applicationName: string
  dependency: string
  /** Each NOTIFY that this session LISTENs to. */
  onNotification?: (payload: string) => void
}

/**
 * One connection outside any pool, for what belongs to a session: advisory locks, LISTEN. Queries run one after
 * the other, each in a transaction of its own. Once broken it stays broken; its owner opens another.
 */
export class Session {
  readonly #client: pg.Client
  readonly #dependency: string
  readonly #statements: { names: StatementNames; prepared: Prepared } = {
    names: createStatementNames(),
    prepared: new Map(),
  }
  #last: Promise<unknown> = Promise.resolve()
  #closed: Promise<void> | undefined
  #lost = false
  #tellLost: (() => void) | undefined
  /** Resolves when the connection is gone, whoever ended it. */
  readonly lost: Promise<void>

  private constructor(client: pg.Client, dependency: string) {
    this.#client = client
    this.#dependency = dependency
    this.lost = new Promise((resolve) => {
      this.#tellLost = () => {
        this.#lost = true
        resolve()
      }
    })
    client.on('error', () => this.#tellLost?.())
    client.on('end', () => this.#tellLost?.())
  }

  static async open({ url, applicationName, dependency, onNotification }: SessionOptions): Promise<Session> {
    const client = new pg.Client({
      connectionString: url,
      application_name: applicationName,
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
      types: columnTypes,
    })
    const session = new Session(client, dependency)
    if (onNotification) client.on('notification', (message) => onNotification(message.payload ?? ''))
    try {
      await client.connect()
      // A peer that vanished without a word gives its locks back within seconds, not after the kernel's two hours.
      await client.query('SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 3')
    } catch (error) {
      await session.close()
      throw new DependencyUnavailable(dependency, error)
    }
    return session
  }

  get isLost(): boolean {
    return this.#lost
  }

  /** Without values in the simple protocol, where one text may hold several statements. */
  async query<R>(text: string, values: readonly unknown[] = []): Promise<R[]> {
    const { rows } = await this.#turn(() => this.#client.query(text, [...values]))
    return (rows ?? []) as R[]
  }

  /** As `query`, prepared: for what is asked again and again. */
  async ask<R>(text: string, values: readonly unknown[]): Promise<R[]> {
    const [answer] = await this.batch([{ text, values }])
    return (answer?.rows ?? []) as R[]
  }

  /** Several prepared statements in one round trip and one transaction. */
  batch(statements: readonly Statement[]): Promise<Answer[]> {
    return this.#turn(async () => {
      const { answers, error } = await exchange(this.#client, statements, this.#statements)
      if (error !== undefined) throw error
      return answers
    })
  }

  async #turn<T>(ask: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(ask)
    this.#last = turn.catch(() => undefined)
    try {
      return await turn
    } catch (error) {
      if (isConnectionTrouble(error)) this.#tellLost?.()
      throw mapError(this.#dependency, error)
    }
  }

  /** Waits for the queries that were asked, at most 5 s, and closes; its locks are free after that. */
  close(): Promise<void> {
    this.#closed ??= (async () => {
      const patience = AbortSignal.timeout(5_000)
      const impatient = new Promise<void>((resolve) =>
        patience.addEventListener('abort', () => resolve(), { once: true }),
      )
      await Promise.race([this.#last.then(() => this.#client.end()).catch(() => undefined), impatient])
      this.#tellLost?.()
    })()
    return this.#closed
  }
}
