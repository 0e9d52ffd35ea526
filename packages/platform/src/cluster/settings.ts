import { createHash } from 'node:crypto'
import { chown, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Owner, sync } from './copy.ts'

const FILE = 'ashlar.conf'
const INCLUDE = `include '${FILE}'`

/** Names the cluster in the titles of its processes, and so finds them where there is no /proc. */
export const clusterName = (place: string): string =>
  `ashlar-${createHash('sha256').update(place).digest('hex').slice(0, 12)}`

const defaults = (place: string): Record<string, string> => ({
  cluster_name: clusterName(place),
  wal_level: 'logical',
  max_replication_slots: '32',
  max_wal_senders: '32',
  // A reader that never comes back may cost its slot, never the disk.
  max_slot_wal_keep_size: '10GB',
  max_connections: '200',
  shared_buffers: '64MB',
  password_encryption: 'scram-sha-256',
  timezone: 'UTC',
  log_timezone: 'UTC',
  logging_collector: 'off',
  log_line_prefix: '%m [%p] %q%u@%d ',
  // No values in the log: no statements, no parameters, and terse leaves out the detail line with the row.
  log_statement: 'none',
  log_min_error_statement: 'panic',
  log_min_duration_statement: '-1',
  log_parameter_max_length: '0',
  log_parameter_max_length_on_error: '0',
  log_error_verbosity: 'terse',
})

/**
 * Given on the command line, where neither a file nor `ALTER SYSTEM` overrides them: nobody but this machine
 * reaches the server, and what it confirmed is on the disk.
 */
export const fixedSettings = (port: number, durable: boolean): string[] => {
  const kept = durable ? 'on' : 'off'
  const fixed = {
    listen_addresses: '127.0.0.1',
    port: String(port),
    unix_socket_directories: '',
    fsync: kept,
    synchronous_commit: kept,
    full_page_writes: kept,
  }
  return Object.entries(fixed).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

/** Writes the settings of this start into a file of their own, included from postgresql.conf. */
export const writeSettings = async (
  place: string,
  settings: Record<string, string>,
  options: { owner?: Owner; durable: boolean },
): Promise<void> => {
  const lines = Object.entries({ ...defaults(place), ...settings }).map(
    ([name, value]) => `${name} = ${quote(name, value)}`,
  )
  await replaceFile(place, FILE, `# Written at each start; changes here do not last.\n${lines.join('\n')}\n`, options)

  const main = await readFile(join(place, 'postgresql.conf'), 'utf8')
  if (main.split('\n').includes(INCLUDE)) return
  await replaceFile(place, 'postgresql.conf', `${main.trimEnd()}\n\n${INCLUDE}\n`, options)
}

const quote = (name: string, value: string): string => {
  if (!/^[a-z_][a-z0-9_.]*$/i.test(name)) throw new Error(`Not the name of a PostgreSQL setting: ${name}`)
  if (/[\n\r\0]/.test(value)) throw new Error(`The PostgreSQL setting ${name} holds a line break.`)
  return `'${value.replaceAll('\\', '\\\\').replaceAll("'", "''")}'`
}

const replaceFile = async (
  folder: string,
  name: string,
  text: string,
  { owner, durable }: { owner?: Owner; durable: boolean },
): Promise<void> => {
  const path = join(folder, name)
  const draft = `${path}.new`
  await writeFile(draft, text, { mode: 0o600 })
  if (owner) await chown(draft, owner.uid, owner.gid)
  if (durable) await sync(draft)
  await rename(draft, path)
}
