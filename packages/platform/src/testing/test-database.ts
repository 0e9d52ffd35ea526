import { createHash, randomBytes } from 'node:crypto'
import { busMigrations, grantBus } from '../bus/index.ts'
import { type MigrationSet, migrate, readMigrations, Session } from '../postgres/index.ts'
import { createNames, type DatabaseName } from '../runtime/index.ts'
import { TEST_DATABASES, testUrl } from './cluster-access.ts'

export type TestDatabase = {
  name: string
  /** As the service's own role. */
  url: string
  adminUrl: string
  /** As the role of the change reader, which may replicate. */
  changesUrl: string
  /** As any role of the cluster: on the bus, `urlAs('auth')`. */
  urlAs(role: DatabaseName): string
  /** SQL as the administrator. */
  sql<R = Record<string, unknown>>(text: string, values?: readonly unknown[]): Promise<R[]>
  /** Tables of schema public that no migration declared audited or technical: a service's test expects none. */
  undeclared(): Promise<string[]>
  /** Ends every connection and refuses new ones, like a server that is gone, until the answer is called. */
  outage(): Promise<() => Promise<void>>
  /** Ends every connection once; new ones are welcome. */
  cutConnections(): Promise<void>
  /** Drops the database, whoever is connected. */
  close(): Promise<void>
}

const names = createNames('ashlar', 'default')

/**
 * A fresh database for one test file, cloned from a template that holds the migrations of `set`; there is one
 * template per content of a set, made by whoever needs it first.
 */
export const testDatabase = async (service: DatabaseName, set: MigrationSet): Promise<TestDatabase> => {
  const template = await ensureTemplate(service, set)
  const name = `t_${service}_${randomBytes(6).toString('hex')}`
  const server = <R>(text: string, values?: readonly unknown[]) => once<R>(testUrl('postgres'), text, values)
  await server(`CREATE DATABASE ${name} TEMPLATE ${template}`)
  const cutConnections = async () => {
    await server('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [name])
  }
  return {
    name,
    url: testUrl(name, names.role(service)),
    adminUrl: testUrl(name),
    changesUrl: testUrl(name, names.role('changes')),
    urlAs: (role) => testUrl(name, names.role(role)),
    sql: (text, values) => once(testUrl(name), text, values),
    undeclared: async () => {
      const rows = await once<{ table_name: string }>(testUrl(name), 'SELECT table_name FROM ashlar.undeclared')
      return rows.map((row) => row.table_name)
    },
    outage: async () => {
      await server(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`)
      await cutConnections()
      return async () => {
        await server(`ALTER DATABASE ${name} ALLOW_CONNECTIONS true`)
      }
    },
    cutConnections,
    close: async () => {
      await server(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    },
  }
}

/** A fresh bus; every service's role may append to it and have subscriptions. */
export const testBusDatabase = (): Promise<TestDatabase> => testDatabase('bus', busMigrations)

const ensureTemplate = async (service: DatabaseName, set: MigrationSet): Promise<string> => {
  const migrations = await readMigrations(set)
  const content = createHash('sha256').update(
    JSON.stringify([service, migrations.map((m) => [m.set, m.version, m.checksum])]),
  )
  const name = `tpl_${service}_${content.digest('hex').slice(0, 12)}`
  const session = await Session.open({ url: testUrl('postgres'), applicationName: 'test', dependency: 'postgres' })
  try {
    await session.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [name])
    const [ready] = await session.query('SELECT 1 FROM pg_database WHERE datname = $1 AND datistemplate', [name])
    if (ready) return name
    await session.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
    await session.query(`CREATE DATABASE ${name}`)
    await migrate({
      adminUrl: testUrl(name),
      set,
      runtimeRole: names.role(service),
      changesRole: names.role('changes'),
      publication: names.publication,
      log: { info: () => undefined },
    })
    if (service === 'bus') {
      const roles = TEST_DATABASES.filter((database) => database !== 'bus').map((database) => names.role(database))
      await grantBus({ adminUrl: testUrl(name), roles })
    }
    await session.query(`ALTER DATABASE ${name} IS_TEMPLATE true ALLOW_CONNECTIONS false`)
    return name
  } finally {
    await session.close()
  }
}

const once = async <R>(url: string, text: string, values?: readonly unknown[]): Promise<R[]> => {
  const session = await Session.open({ url, applicationName: 'test', dependency: 'postgres' })
  try {
    return await session.query<R>(text, values)
  } finally {
    await session.close()
  }
}
