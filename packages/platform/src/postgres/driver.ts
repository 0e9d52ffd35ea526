import {
  type ConnectionProvider,
  DefaultQueryExecutor,
  type Dialect,
  type Driver,
  Kysely,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
} from 'kysely'

/** What all of a database's Kyselys share: making them anew costs more than a small query's SQL. */
export type DialectParts = {
  adapter: PostgresAdapter
  compiler: PostgresQueryCompiler
  driver: Driver
  dialect: Dialect
}

/**
 * Transactions are refused here: `unitOfWork` is the only way to write one, because a transaction without its audit
 * context would be a change that nobody did.
 */
export const createDialectParts = (): DialectParts => {
  const adapter = new PostgresAdapter()
  const compiler = new PostgresQueryCompiler()
  const driver: Driver = {
    init: async () => undefined,
    acquireConnection: refuse,
    beginTransaction: refuse,
    commitTransaction: refuse,
    rollbackTransaction: refuse,
    releaseConnection: async () => undefined,
    destroy: async () => undefined,
  }
  const dialect: Dialect = {
    createAdapter: () => adapter,
    createQueryCompiler: () => compiler,
    createIntrospector: (db) => new PostgresIntrospector(db),
    createDriver: () => driver,
  }
  return { adapter, compiler, driver, dialect }
}

/** Kysely on the connections of `provider`. */
export const createKysely = <DB>(
  provider: ConnectionProvider,
  { adapter, compiler, driver, dialect }: DialectParts,
): Kysely<DB> =>
  new Kysely<DB>({
    config: { dialect },
    dialect,
    driver,
    executor: new DefaultQueryExecutor(compiler, adapter, provider),
  })

const refuse = async (): Promise<never> => {
  throw new Error('transactions are opened by a unit of work')
}
