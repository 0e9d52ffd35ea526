import { type Dialect, type Driver, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler } from 'kysely'
import type { PooledConnection } from './connection.ts'

type Source = { acquire(): Promise<PooledConnection>; release(connection: PooledConnection): Promise<void> }

/**
 * Kysely on connections from `source`. Transactions are refused here: `unitOfWork` is the only way to write one,
 * because a transaction without its audit context would be a change that nobody did.
 */
export const createDialect = (source: Source): Dialect => ({
  createAdapter: () => new PostgresAdapter(),
  createQueryCompiler: () => new PostgresQueryCompiler(),
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
