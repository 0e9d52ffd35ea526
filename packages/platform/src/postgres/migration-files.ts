import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { DatabaseName } from '../runtime/index.ts'

/** The migrations of one database: files `0001_<name>.sql` in `folder`, run in order, never changed once released. */
export type MigrationSet = { service: DatabaseName; folder: URL }

/** One file. `set` is `platform` for those that every database gets first, else the service. */
export type Migration = { set: string; version: number; name: string; checksum: string; sql: string }

const NAME = /^(\d{4})_([a-z0-9_]+)\.sql$/

/** The platform's files, then the set's own, each in the order of their numbers. Refuses gaps, doubles and strange names. */
export const readMigrations = async (set: MigrationSet): Promise<Migration[]> => [
  ...(await readFolder('platform', new URL('./base/', import.meta.url))),
  ...(await readFolder(set.service, set.folder)),
]

const readFolder = async (set: string, folder: URL): Promise<Migration[]> => {
  const path = fileURLToPath(folder)
  const files = (await readdir(path)).filter((file) => file.endsWith('.sql')).sort()
  return Promise.all(
    files.map(async (file, index) => {
      const [, number, name] = NAME.exec(file) ?? []
      if (number === undefined || name === undefined) throw new Error(`${path}: ${file} is not called 0001_<name>.sql`)
      if (Number(number) !== index + 1) throw new Error(`${path}: expected number ${index + 1}, found ${file}`)
      // Line ends are made equal, so that a checkout under Windows has the same checksum.
      const sql = (await readFile(`${path}/${file}`, 'utf8')).replaceAll('\r\n', '\n')
      return { set, version: index + 1, name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}
