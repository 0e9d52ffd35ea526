import { serviceContext } from '../context/index.ts'
import { grantAccess, limitRole } from './grants.ts'
import { type Migration, type MigrationSet, readMigrations } from './migration-files.ts'
import { Session } from './session.ts'
import { beginWithContext } from './unit-of-work.ts'

export type MigrateOptions = {
  /** As the administrative role, who owns everything that migrations create. */
  adminUrl: string
  set: MigrationSet
  /** The service's own role: may read and write the tables of schema public, unless a migration takes that away. */
  runtimeRole: string
  /** May read audited tables, for the first snapshot. */
  changesRole?: string
  publication: string
  log: { info(fields: object, message: string): void }
}

export type MigrationStatus = {
  applied: { set: string; name: string; appliedAt: Date }[]
  pending: string[]
  /** Applied once, and different now: a release must not change its past. */
  changed: string[]
}

type AppliedRow = { set_name: string; version: number; name: string; checksum: string; applied_at: Date }

const label = ({ set, version, name }: Pick<Migration, 'set' | 'version' | 'name'>): string =>
  `${set}/${String(version).padStart(4, '0')}_${name}`

/**
 * Brings a database to the state of this release. Forward only; each file in one transaction together with its row in
 * ashlar.migrations; an advisory lock lets one migrator at a time work. A lock on a table is waited for 5 s, then it
 * throws: waiting longer would hold up every query behind it. Files of a later release are left alone.
 */
export const migrate = async (options: MigrateOptions): Promise<{ applied: string[] }> => {
  const migrations = await readMigrations(options.set)
  const session = await openAdmin(options.adminUrl)
  try {
    await session.query("SELECT pg_advisory_lock(hashtextextended('ashlar.migrate', 0))")
    await session.query("SET lock_timeout = '5s'")
    // By default the schema named like the role comes first, and an administrator may be called as a schema is.
    await session.query('SET search_path = public')
    await session.query('CREATE SCHEMA IF NOT EXISTS ashlar')
    await session.query(`
      CREATE TABLE IF NOT EXISTS ashlar.migrations (
        set_name text NOT NULL, version int NOT NULL, name text NOT NULL, checksum text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (set_name, version))`)
    await session.query(
      `SELECT set_config('ashlar.publication', $1, false), set_config('ashlar.runtime_role', $2, false)`,
      [options.publication, options.runtimeRole],
    )
    await grantAccess(session, options)
    const { pending, changed } = compare(migrations, await readApplied(session))
    if (changed.length > 0) {
      throw new Error(`migrations that are applied were changed afterwards: ${changed.map(label).join(', ')}`)
    }
    for (const migration of pending) {
      await apply(session, migration)
      options.log.info({ migration: label(migration) }, 'migration applied')
    }
    await grantAccess(session, options)
    await limitRole(session, options.runtimeRole)
    return { applied: pending.map(label) }
  } finally {
    await session.close()
  }
}

export const migrationStatus = async ({
  adminUrl,
  set,
}: {
  adminUrl: string
  set: MigrationSet
}): Promise<MigrationStatus> => {
  const migrations = await readMigrations(set)
  const session = await openAdmin(adminUrl)
  try {
    const [known] = await session.query<{ exists: boolean }>(
      `SELECT to_regclass('ashlar.migrations') IS NOT NULL AS exists`,
    )
    const applied = known?.exists ? await readApplied(session) : []
    const { pending, changed } = compare(migrations, applied)
    return {
      applied: applied.map((row) => ({
        set: row.set_name,
        name: label({ set: row.set_name, version: row.version, name: row.name }),
        appliedAt: row.applied_at,
      })),
      pending: pending.map(label),
      changed: changed.map(label),
    }
  } finally {
    await session.close()
  }
}

const openAdmin = (url: string): Promise<Session> =>
  Session.open({ url, applicationName: 'ashlar-migrator', dependency: 'postgres' })

const readApplied = (session: Session): Promise<AppliedRow[]> =>
  session.query<AppliedRow>(
    `SELECT set_name, version, name, checksum, applied_at FROM ashlar.migrations
     ORDER BY set_name <> 'platform', set_name, version`,
  )

const compare = (migrations: Migration[], applied: AppliedRow[]): { pending: Migration[]; changed: Migration[] } => {
  const checksums = new Map(applied.map((row) => [`${row.set_name}/${row.version}`, row.checksum]))
  const checksumOf = (migration: Migration) => checksums.get(`${migration.set}/${migration.version}`)
  return {
    pending: migrations.filter((migration) => checksumOf(migration) === undefined),
    changed: migrations.filter((migration) => ![undefined, migration.checksum].includes(checksumOf(migration))),
  }
}

const apply = async (session: Session, migration: Migration): Promise<void> => {
  const context = serviceContext('migrator')
  for (const { text, values } of beginWithContext({ ...context, reason: `migration ${label(migration)}` })) {
    await session.query(text, values)
  }
  try {
    await session.query(migration.sql)
    await session.query('INSERT INTO ashlar.migrations (set_name, version, name, checksum) VALUES ($1, $2, $3, $4)', [
      migration.set,
      migration.version,
      migration.name,
      migration.checksum,
    ])
    await session.query('COMMIT')
  } catch (error) {
    await session.query('ROLLBACK').catch(() => undefined)
    throw new Error(`migration ${label(migration)} failed: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
}
