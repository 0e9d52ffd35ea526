import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lockDataDir } from '@ashlar/platform/cluster'
import { Session } from '@ashlar/platform/postgres'
import type { DatabaseName } from '@ashlar/platform/runtime'
import pino from 'pino'
import { runtimeOf } from '../commands/session.ts'
import { loadConfiguration } from '../config.ts'
import { migrateAll } from '../migrations.ts'
import { DATABASES, openStores } from '../stores.ts'

type Table = { name: string; declared: string; primary_key: string | null }
type Column = { table: string; name: string; type: string; nullable: boolean; default: string | null }
type Rule = { table: string; definition: string }

/** Tables of an audited database say how; the others (bus, audit, sandbox) tell no story of their own. */
const TABLES = `
  SELECT c.relname AS name,
    coalesce(CASE WHEN t.technical_reason IS NOT NULL THEN 'technical: ' || t.technical_reason
      WHEN t.entity IS NOT NULL THEN 'audited as ' || t.entity
        || CASE WHEN t.columns IS NULL THEN '' ELSE ', by the columns ' || array_to_string(t.columns, ', ') END
        || CASE WHEN cardinality(t.personal) > 0 THEN '; personal: ' || array_to_string(t.personal, ', ') ELSE '' END
      END, '') AS declared,
    (SELECT pg_get_constraintdef(p.oid) FROM pg_constraint p WHERE p.conrelid = c.oid AND p.contype = 'p') AS primary_key
  FROM pg_class c LEFT JOIN ashlar.tables t ON t.table_name = c.relname
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  ORDER BY c.relname`

const COLUMNS = `
  SELECT c.relname AS table, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type,
    NOT a.attnotnull AS nullable,
    CASE WHEN a.attidentity <> '' THEN 'identity' ELSE pg_get_expr(d.adbin, d.adrelid) END AS default
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND a.attnum > 0 AND NOT a.attisdropped
  ORDER BY c.relname, a.attnum`

const RULES = `
  SELECT c.relname AS table, pg_get_constraintdef(k.oid) AS definition
  FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
  WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition AND k.contype IN ('c', 'f')
  UNION
  SELECT i.tablename, regexp_replace(i.indexdef, '^CREATE (UNIQUE )?INDEX .* USING ', '\\1index using ')
  FROM pg_indexes i JOIN pg_class c ON c.relname = i.tablename AND c.relnamespace = 'public'::regnamespace
  WHERE i.schemaname = 'public' AND NOT c.relispartition AND NOT EXISTS
    (SELECT FROM pg_constraint p WHERE p.conname = i.indexname AND p.conrelid = c.oid AND p.contype = 'p')
  ORDER BY 1, 2`

const tableSection = ({ name, declared, primary_key: key }: Table, columns: Column[], rules: Rule[]): string => {
  const rows = columns
    .filter(({ table }) => table === name)
    .map((column) => {
      const value = column.default === null ? '' : `\`${column.default.replaceAll('|', '\\|')}\``
      return `| ${column.name} | ${column.type} | ${column.nullable ? 'yes' : ''} | ${value} |`
    })
  const own = rules.filter(({ table }) => table === name).map(({ definition }) => `- \`${definition}\``)
  return [
    `### \`${name}\``,
    [declared && `${declared}.`, key && `\`${key}\`.`].filter(Boolean).join(' '),
    `| column | type | null | default |\n|---|---|---|---|\n${rows.join('\n')}`,
    own.join('\n'),
  ]
    .filter((part) => part !== '')
    .join('\n\n')
}

const databaseSection = async (name: DatabaseName, url: string): Promise<string> => {
  const session = await Session.open({ url, applicationName: 'ashlar-generate', dependency: name })
  try {
    const tables = await session.query<Table>(TABLES)
    const columns = await session.query<Column>(COLUMNS)
    const rules = await session.query<Rule>(RULES)
    return [`## ${name}`, ...tables.map((table) => tableSection(table, columns, rules))].join('\n\n')
  } finally {
    await session.close()
  }
}

/** The schema of every database, read from a scratch cluster that just ran all migrations. */
export const databaseSchema = async (): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'ashlar-schema-'))
  try {
    const configuration = loadConfiguration({ ASHLAR_DATA_DIR: folder, ASHLAR_ENV: 'test' })
    const runtime = await runtimeOf(configuration, { level: 'error', destination: pino.destination(2) })
    const log = runtime.logger('gateway')
    const lock = await lockDataDir(folder)
    const stores = await openStores(configuration, runtime, lock, log)
    try {
      await migrateAll(stores, runtime, log)
      const sections: string[] = []
      for (const name of DATABASES) sections.push(await databaseSection(name, stores.url(name, 'admin')))
      return `# Database schema

One PostgreSQL database per service; nobody else reads it. Read from the catalogue after all migrations.
Every database also has the schema \`ashlar\`: which tables are audited, and how.

${sections.join('\n\n')}
`
    } finally {
      await stores.close()
      await lock.release()
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
