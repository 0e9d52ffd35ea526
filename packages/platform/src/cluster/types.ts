import type { DataDirLock } from './lock.ts'

/** The part of a pino logger that the cluster uses. */
export type ClusterLog = {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** A login role. What is not given here is taken away: the list is the whole truth about these roles. */
export type ClusterRole = {
  name: string
  password: string
  replication?: boolean
  /** Without it, unlimited. */
  connectionLimit?: number
  /** Applied with `ALTER ROLE … SET`, so they hold from the first statement of each new session. */
  settings?: Record<string, string>
}

/** A database owned by the administrative role; only the roles of `connect` may enter, nobody through PUBLIC. */
export type ClusterDatabase = { name: string; connect: string[] }

export type ClusterState = 'ready' | 'recovering' | 'stopped'

export type ClusterOptions = {
  /** Ashlar's data directory; the cluster lives in its folder `postgres`, or where `postgres.place` says. */
  dataDir: string
  /** Name of the superuser. Default `ashlar`. */
  adminRole?: string
  adminPassword: string
  databases: ClusterDatabase[]
  roles: ClusterRole[]
  log: ClusterLog
  /** False switches off fsync, synchronous_commit and full_page_writes: for clusters of tests alone. */
  durable?: boolean
  /** Folder of a stopped cluster, copied instead of running initdb when there is no cluster yet. */
  template?: string
  /** Exactly this port, or an error. Without it the port of the last start if it is free, else another. */
  port?: number
  /** Further settings of postgresql.conf. Those that guard durability and reachability cannot be overridden. */
  settings?: Record<string, string>
  /** A lock of `dataDir` that the caller holds and keeps; without it the cluster takes its own until it stops. */
  lock?: DataDirLock
}

export type EmbeddedCluster = {
  readonly host: string
  readonly port: number
  /** Of the server process; undefined while there is none. */
  readonly pid: number | undefined
  readonly state: ClusterState
  /** A postgres:// URL for a database, as `role` (default: the administrative superuser). */
  url(database: string, role?: string): string
  /** Told of every change of state; the answer ends the listening. */
  onState(listener: (state: ClusterState) => void): () => void
  /** Fast shutdown; leaves no process and releases the lock. Calling it again waits for the same end. */
  stop(): Promise<void>
}
