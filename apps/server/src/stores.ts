import {
  type ClusterRole,
  type DataDirLock,
  type EmbeddedCluster,
  runningClusterPort,
  startCluster,
} from '@ashlar/platform/cluster'
import type { DatabaseName, Runtime } from '@ashlar/platform/runtime'
import type { Logger } from '@ashlar/platform/telemetry'
import type { Configuration } from './config.ts'

/** Who opens a connection: the service that owns the database, the reader of changes, or the administrator. */
export type StoreRole = DatabaseName | 'changes' | 'admin'

/** Where each database is and how each role reaches it. */
export type Stores = {
  url(database: DatabaseName, as?: StoreRole): string
  /** The name of a role as PostgreSQL knows it. */
  role(of: StoreRole): string
  readonly cluster?: EmbeddedCluster
  close(): Promise<void>
}

const ADMIN_ROLE = 'ashlar'

/** Each service has a database of its own; `bus` and `sandbox` belong to nobody who has business state. */
export const DATABASES: readonly DatabaseName[] = ['auth', 'payments', 'notifications', 'audit', 'bus', 'sandbox']

/** The databases whose changes the audit service reads. */
export const AUDITED_DATABASES = ['auth', 'payments', 'notifications'] as const

/** The services that publish to the bus or read from it. */
export const BUS_USERS: readonly DatabaseName[] = ['auth', 'payments', 'notifications', 'audit']

const isAudited = (database: DatabaseName): boolean => (AUDITED_DATABASES as readonly string[]).includes(database)

/** Passwords of the embedded roles follow from the master key: none is chosen, stored or shipped. */
const passwordOf = (runtime: Runtime, role: string): string =>
  runtime.keys.derive(`database-role:${role}`).toString('base64url')

const roleOf = (runtime: Runtime, of: StoreRole): string => (of === 'admin' ? ADMIN_ROLE : runtime.names.role(of))

/** Databases that somebody else runs: each has the one role of its URL. */
const externalStores = (configuration: Configuration): Stores | undefined => {
  const { databaseUrls } = configuration
  if (databaseUrls === undefined) return undefined
  const roles = new Map(DATABASES.map((name) => [name as StoreRole, new URL(databaseUrls[name]).username]))
  return {
    url: (database) => databaseUrls[database],
    role: (of) => decodeURIComponent(roles.get(of) ?? roles.get('auth') ?? ''),
    close: async () => {},
  }
}

/** The cluster of a running Ashlar, reached over its port: for commands beside the server. */
const runningStores = (runtime: Runtime, port: number): Stores => ({
  url: (database, as = database) => {
    const role = roleOf(runtime, as)
    return `postgres://${role}:${passwordOf(runtime, role)}@127.0.0.1:${port}/${runtime.names.database(database)}`
  },
  role: (of) => roleOf(runtime, of),
  close: async () => {},
})

const embeddedStores = async (runtime: Runtime, dataDir: string, lock: DataDirLock, log: Logger): Promise<Stores> => {
  const login = (of: DatabaseName | 'changes'): ClusterRole => {
    const name = runtime.names.role(of)
    return { name, password: passwordOf(runtime, name), replication: of === 'changes' }
  }
  const cluster = await startCluster({
    dataDir,
    adminRole: ADMIN_ROLE,
    adminPassword: passwordOf(runtime, ADMIN_ROLE),
    roles: [...DATABASES, 'changes' as const].map(login),
    databases: DATABASES.map((name) => ({
      name: runtime.names.database(name),
      connect: [
        runtime.names.role(name),
        ...(isAudited(name) ? [runtime.names.role('changes')] : []),
        ...(name === 'bus' ? BUS_USERS.map((user) => runtime.names.role(user)) : []),
      ],
    })),
    log,
    lock,
  })
  return {
    url: (database, as = database) => cluster.url(runtime.names.database(database), roleOf(runtime, as)),
    role: (of) => roleOf(runtime, of),
    cluster,
    close: () => cluster.stop(),
  }
}

/** The stores of the server itself: its own embedded cluster, or the databases it was given. */
export const openStores = async (
  configuration: Configuration,
  runtime: Runtime,
  lock: DataDirLock,
  log: Logger,
): Promise<Stores> =>
  externalStores(configuration) ?? (await embeddedStores(runtime, configuration.core.dataDir, lock, log))

/** The stores of an Ashlar that runs elsewhere on this machine; undefined when none does. */
export const findStores = async (configuration: Configuration, runtime: Runtime): Promise<Stores | undefined> => {
  const external = externalStores(configuration)
  if (external) return external
  const port = await runningClusterPort(configuration.core.dataDir)
  return port === undefined ? undefined : runningStores(runtime, port)
}
