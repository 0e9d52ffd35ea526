import { type Dialect, type Driver, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely'
import type { PooledConnection } from './connection.ts'

type Source = { acquire(): Promise<PooledConnection>; release(connection: PooledConnection): Promise<void> }

/** What every transaction's Kysely shares with its database's: making them anew costs more than a small query's SQL. */
export type DialectParts = { adapter: PostgresAdapter; compiler: PostgresQueryCompiler }

export const createDialectParts = (): DialectParts => ({
  adapter: new PostgresAdapter(),
  compiler: new PostgresQueryCompiler(),
})

/**
 * Kysely on connections from `source`. Transactions are refused here: `unitOfWork` is the only way to write one,
 * because a transaction without its audit context would be a change that nobody did.
 */
export const createDialect = (source: Source, { adapter, compiler }: DialectParts): Dialect => ({
  createAdapter: () => adapter,
  createQueryCompiler: () => compiler,
  createIntrospector: (db) => new PostgresIntrospector(db),
  createDriver: (): Driver => ({
    init: async () => undefined,
    acquireConnection: () => source.acquire(),
    beginTransaction: refuse,
    commitTransaction: refuse,
    rollbackTransaction: refuse,
    releaseConnection: (connection) => source.release(connection as PooledConnection),
    destroy: async () => undefined,
  }),
})

const refuse = async (): Promise<void> => {
  throw new Error('transactions are opened by a unit of work')
}
