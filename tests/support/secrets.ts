import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import type { Instance } from './instance.ts'

/** A secret that shows itself wherever it turns up, also in the output of a whole test run. */
export const plant = (name: string, random: string): string => `planted-secret-${name}-${random}`

/** The shapes in which a secret could have been kept by mistake. */
const shapes = (secret: string): string[] => {
  const bytes = Buffer.from(secret, 'utf8')
  return [secret, bytes.toString('hex'), bytes.toString('base64').replace(/=+$/, ''), encodeURIComponent(secret)]
}

/** The names of the secrets that a text holds in any shape. */
export const secretsIn = (text: string, secrets: Readonly<Record<string, string>>): string[] =>
  Object.entries(secrets).flatMap(([name, secret]) =>
    shapes(secret).some((shape) => text.includes(shape)) ? [name] : [],
  )

/** Binary columns come as hex; whatever in them is readable is laid beside. */
const decoded = (row: string): string =>
  row.replace(
    /\\\\x((?:[0-9a-f]{2})+)/g,
    (hex, digits: string) => `${hex} ${Buffer.from(digits, 'hex').toString('latin1')}`,
  )

/** Reads every row of every table of a database, its technical schemas included, and answers `table: secret`. */
export const secretsInDatabase = async (url: string, secrets: Readonly<Record<string, string>>): Promise<string[]> => {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const found: string[] = []
  try {
    const { rows: tables } = await client.query<{ name: string }>(
      `SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')`,
    )
    for (const { name } of tables) {
      const { rows } = await client.query<{ row: string }>(`SELECT to_jsonb(t)::text AS row FROM ${name} t`)
      const text = rows.map(({ row }) => decoded(row)).join('\n')
      found.push(...secretsIn(text, secrets).map((secret) => `${name}: ${secret}`))
    }
  } finally {
    await client.end()
  }
  return found
}

/** Every file below the data directory but the keys: heap, write-ahead log, checkpoints, logs. */
export const secretsInFiles = async (
  instance: Instance,
  secrets: Readonly<Record<string, string>>,
): Promise<string[]> => {
  const found: string[] = []
  for (const entry of await readdir(instance.dataDir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (!entry.isFile() || path.startsWith(join(instance.dataDir, 'keys'))) continue
    const text = await readFile(path, 'latin1').catch(() => '')
    found.push(...secretsIn(text, secrets).map((secret) => `${path}: ${secret}`))
  }
  return found
}
