import { stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { createPostgresBus } from '@ashlar/platform/bus'
import { ConfigurationError } from '@ashlar/platform/config'
import { Session } from '@ashlar/platform/postgres'
import type { Session as Reached } from '../commands/session.ts'
import { loadConfiguration } from '../config.ts'
import { statusOfMigrations } from '../migrations.ts'
import { AUDITED_DATABASES, DATABASES } from '../stores.ts'
import { readFindings } from './findings.ts'

export type Grade = 'ok' | 'warn' | 'fail'
/** One line of the doctor's report. */
export type Check = { name: string; grade: Grade; detail: string }

const LEAST_FREE_BYTES = 2 * 1024 ** 3

const ok = (name: string, detail: string): Check => ({ name, grade: 'ok', detail })
const warn = (name: string, detail: string): Check => ({ name, grade: 'warn', detail })
const fail = (name: string, detail: string): Check => ({ name, grade: 'fail', detail })

/** What the configuration itself refuses, read as production would read it where that is asked for. */
export const checkConfiguration = (env: NodeJS.ProcessEnv, production: boolean): Check[] => {
  try {
    loadConfiguration(production ? { ...env, ASHLAR_ENV: 'production' } : env)
    return [ok('configuration', production ? 'production would start with it' : 'valid')]
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    return error.lines.map((line) => fail('configuration', line))
  }
}

const secretFiles = async (dataDir: string): Promise<Check> => {
  const name = 'keys'
  const open: string[] = []
  for (const file of ['', 'master']) {
    const mode = await stat(join(dataDir, 'keys', file)).then(
      (found) => found.mode & 0o077,
      () => 0,
    )
    if (mode !== 0) open.push(join('keys', file))
  }
  return open.length === 0
    ? ok(name, 'readable by the owner alone')
    : fail(name, `others may read ${open.join(' and ')}: chmod go-rwx`)
}

const space = async (dataDir: string): Promise<Check> => {
  const { bavail, bsize } = await statfs(dataDir)
  const free = bavail * bsize
  const detail = `${(free / 1024 ** 3).toFixed(1)} GiB free`
  return free < LEAST_FREE_BYTES ? fail('disk', `${detail}: the write-ahead log needs room`) : ok('disk', detail)
}

/** What a production has to decide that has no safe default. */
const production = ({ configuration }: Reached): Check[] => {
  const { core } = configuration
  return [
    core.publicUrl.startsWith('https://')
      ? ok('public address', core.publicUrl)
      : fail('public address', `${core.publicUrl} is not https: set ASHLAR_PUBLIC_URL`),
    core.masterKey === undefined
      ? warn('master key', 'made by this installation and kept in the data directory: keep a copy of it elsewhere')
      : ok('master key', 'given by ASHLAR_MASTER_KEY'),
    fail('payment provider', 'none is connected: processing a payment answers provider_not_configured'),
  ]
}

const observed = async (dataDir: string): Promise<Check[]> =>
  (await readFindings(dataDir)).map(({ code, detail, at }) => fail(code.replaceAll('_', ' '), `${detail} (${at})`))

const SETTINGS_THAT_KEEP_DATA = ['fsync', 'full_page_writes', 'synchronous_commit'] as const

const databases = async ({ stores }: Reached): Promise<Check[]> => {
  const checks: Check[] = []
  for (const database of DATABASES) {
    const name = `database ${database}`
    const session = await Session.open({
      url: stores.url(database, 'admin'),
      applicationName: 'ashlar-doctor',
      dependency: database,
    })
    try {
      const [row] = await session.query<Record<string, string>>(
        `SELECT ${SETTINGS_THAT_KEEP_DATA.map((setting) => `current_setting('${setting}') AS ${setting}`).join(', ')},
           current_setting('wal_level') AS wal_level, clock_timestamp()::text AS now,
           (SELECT count(*) FROM pg_replication_slots WHERE database = current_database())::text AS slots`,
      )
      const off = SETTINGS_THAT_KEEP_DATA.filter((setting) => row?.[setting] === 'off')
      const skewMs = Math.abs(Date.now() - Date.parse(row?.now ?? ''))
      const audited = (AUDITED_DATABASES as readonly string[]).includes(database)
      if (off.length > 0) checks.push(fail(name, `${off.join(', ')} is off: acknowledged writes can be lost`))
      else if (audited && row?.wal_level !== 'logical') checks.push(fail(name, 'wal_level is not logical'))
      else if (audited && row?.slots === '0')
        checks.push(fail(name, 'no replication slot: its changes are not audited'))
      else if (skewMs > 5_000) checks.push(warn(name, `its clock differs by ${Math.round(skewMs / 1000)} s`))
      else checks.push(ok(name, 'durable'))
    } finally {
      await session.close()
    }
  }
  return checks
}

const migrations = async ({ stores }: Reached): Promise<Check> => {
  const pending = (await statusOfMigrations(stores)).flatMap(({ database, status }) =>
    [...status.pending, ...status.changed].map((migration) => `${database}/${migration}`),
  )
  return pending.length === 0
    ? ok('migrations', 'all applied')
    : fail('migrations', `${pending.length} pending: ashlar migrate up, or start`)
}

const deadLetters = async ({ runtime, stores }: Reached): Promise<Check> => {
  const bus = createPostgresBus({ url: stores.url('bus', 'admin'), runtime })
  try {
    const letters = await bus.deadLetters.list()
    return letters.length === 0
      ? ok('dead letters', 'none')
      : warn('dead letters', `${letters.length}: ashlar dlq list`)
  } finally {
    await bus.close()
  }
}

const administrators = async ({ stores }: Reached): Promise<Check> => {
  const session = await Session.open({
    url: stores.url('auth', 'admin'),
    applicationName: 'ashlar-doctor',
    dependency: 'auth',
  })
  try {
    const [row] = await session.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM users u JOIN user_roles r ON r.user_id = u.id
       WHERE r.role = 'admin' AND u.is_active`,
    )
    return row?.count
      ? ok('administrators', String(row.count))
      : warn('administrators', 'none: ashlar admin create <email>')
  } finally {
    await session.close()
  }
}

/** Everything that can be looked at from outside the running services, in the order of the report. */
export const examine = async (reached: Reached, asProduction: boolean): Promise<Check[]> => {
  const { dataDir } = reached.configuration.core
  const schema = await migrations(reached)
  // Databases without their schema have nothing to tell yet.
  const contents =
    schema.grade === 'ok'
      ? [...(await databases(reached)), await deadLetters(reached), await administrators(reached)]
      : []
  return [
    ...(asProduction ? production(reached) : []),
    await secretFiles(dataDir),
    await space(dataDir),
    schema,
    ...contents,
    ...(await observed(dataDir)),
  ]
}
