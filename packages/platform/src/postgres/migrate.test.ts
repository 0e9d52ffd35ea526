import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sampleMigrations } from '../../test/sample.ts'
import { openWal } from '../../test/wal.ts'
import { type TestDatabase, testDatabase } from '../testing/index.ts'
import { type MigrationSet, migrate, migrationStatus } from './index.ts'

let store: TestDatabase
let folder: string
let set: MigrationSet

beforeAll(async () => {
  store = await testDatabase('auth', sampleMigrations)
  folder = await mkdtemp(join(tmpdir(), 'ashlar-migrations-'))
  await cp(fileURLToPath(sampleMigrations.folder), folder, { recursive: true })
  set = { service: 'auth', folder: pathToFileURL(`${folder}/`) }
})
afterAll(async () => {
  await store.close()
  await rm(folder, { recursive: true })
})

const run = (of: MigrationSet = set) =>
  migrate({
    adminUrl: store.adminUrl,
    set: of,
    runtimeRole: 'ashlar_auth',
    changesRole: 'ashlar_changes',
    publication: 'ashlar_audit',
    log: { info: () => undefined },
  })

const as = async (url: string, text: string): Promise<unknown> => {
  const client = new pg.Client({ connectionString: url, application_name: 'by-hand' })
  await client.connect()
  try {
    const result = await client.query(text)
    return Array.isArray(result) ? result.at(-1).rows : result.rows
  } finally {
    await client.end()
  }
}

test('what is applied is not applied again; a new file is, once, whoever else migrates at the same time', async () => {
  expect(await run()).toEqual({ applied: [] })
  await writeFile(
    join(folder, '0002_more.sql'),
    "CREATE TABLE more (id int PRIMARY KEY); SELECT ashlar.technical('more', 'test');",
  )
  expect((await migrationStatus({ adminUrl: store.adminUrl, set })).pending).toEqual(['auth/0002_more'])
  const runs = await Promise.all([run(), run(), run()])
  expect(runs.flatMap((result) => result.applied)).toEqual(['auth/0002_more'])
  const status = await migrationStatus({ adminUrl: store.adminUrl, set })
  expect(status).toMatchObject({ pending: [], changed: [] })
  expect(status.applied.map((row) => row.name)).toEqual([
    'platform/0001_platform',
    'auth/0001_sample',
    'auth/0002_more',
  ])
})

test('a release that is older than the database leaves its later migrations alone', async () => {
  expect(await run(sampleMigrations)).toEqual({ applied: [] })
})

test('a file that fails leaves nothing, and names itself', async () => {
  await writeFile(join(folder, '0003_bad.sql'), 'CREATE TABLE half (id int); SELECT 1/0;')
  await expect(run()).rejects.toThrow('auth/0003_bad failed: division by zero')
  expect(await store.sql(`SELECT to_regclass('half') AS half`)).toEqual([{ half: null }])
  await rm(join(folder, '0003_bad.sql'))
})

test('a file that was changed after it was applied is refused; other line ends are no change', async () => {
  const path = join(folder, '0002_more.sql')
  await writeFile(path, "CREATE TABLE more (id bigint PRIMARY KEY); SELECT ashlar.technical('more', 'test');")
  await expect(run()).rejects.toThrow('changed afterwards: auth/0002_more')
  expect((await migrationStatus({ adminUrl: store.adminUrl, set })).changed).toEqual(['auth/0002_more'])
  await writeFile(path, "CREATE TABLE more (id int PRIMARY KEY); SELECT ashlar.technical('more', 'test');")
  expect(await run()).toEqual({ applied: [] })
})

test('a gap in the numbers and a strange name are refused', async () => {
  await writeFile(join(folder, '0004_gap.sql'), '')
  await expect(run()).rejects.toThrow('expected number 3')
  await rm(join(folder, '0004_gap.sql'))
  await writeFile(join(folder, 'notes.sql'), '')
  await expect(run()).rejects.toThrow('notes.sql')
  await rm(join(folder, 'notes.sql'))
})

test('a locked table makes a migration fail within seconds instead of holding up all queries behind it', async () => {
  const blocker = new pg.Client({ connectionString: store.adminUrl })
  await blocker.connect()
  await blocker.query('BEGIN; SELECT * FROM accounts')
  await writeFile(join(folder, '0003_alter.sql'), 'ALTER TABLE accounts ADD COLUMN extra int;')
  await expect(run()).rejects.toThrow('lock timeout')
  await blocker.query('ROLLBACK')
  await blocker.end()
  await rm(join(folder, '0003_alter.sql'))
}, 15_000)

test('every table is declared, and the view names one that is not', async () => {
  expect(await store.undeclared()).toEqual([])
  await store.sql('CREATE TABLE public.forgotten (id int PRIMARY KEY)')
  expect(await store.undeclared()).toEqual(['forgotten'])
  await store.sql('DROP TABLE public.forgotten')
})

test('SQL by hand is attributed to its database role, also with triggers switched off', async () => {
  const wal = await openWal(store)
  const id = '01990000-0000-7000-8000-000000000002'
  await as(store.adminUrl, `INSERT INTO accounts (id, name) VALUES ('${id}', 'Eve')`)
  await as(store.adminUrl, `SET session_replication_role = replica; UPDATE accounts SET balance = 5`)
  await as(store.url, `BEGIN; DELETE FROM accounts; DELETE FROM accounts; COMMIT`)
  await as(store.adminUrl, 'TRUNCATE accounts')
  const by = (role: string) => [
    {
      actor: { type: 'database', id: role },
      applicationName: 'by-hand',
      clientAddress: '127.0.0.1',
      sessionUser: role,
    },
  ]
  expect((await wal.read()).map(({ messages, changes }) => ({ messages, changes }))).toEqual([
    { messages: by('ashlar'), changes: ['I'] },
    { messages: by('ashlar'), changes: ['U'] },
    { messages: by('ashlar_auth'), changes: ['D'] },
    { messages: by('ashlar'), changes: ['T'] },
  ])
  await wal.close()
})

test('a column that is not listed never enters the change stream, old or new', async () => {
  const wal = await openWal(store)
  await as(
    store.adminUrl,
    `INSERT INTO secrets VALUES ('01990000-0000-7000-8000-000000000003', 'TOPSECRET-1');
     UPDATE secrets SET secret = 'TOPSECRET-2'; DELETE FROM secrets`,
  )
  const [transaction] = await wal.read()
  expect(transaction?.changes).toEqual(['I', 'U', 'D'])
  expect(transaction?.bytes.includes('TOPSECRET')).toBe(false)
  await wal.close()
})

test.each([
  [
    'no primary key',
    'CREATE TABLE x (id int)',
    `SELECT ashlar.audited('x', entity => 'x', entity_id => 'id')`,
    'primary key',
  ],
  [
    'no such column',
    'CREATE TABLE x (id int PRIMARY KEY)',
    `SELECT ashlar.audited('x', entity => 'x', entity_id => 'uid')`,
    'no column uid',
  ],
  [
    'a key outside the listed columns',
    'CREATE TABLE x (id int PRIMARY KEY, a int)',
    `SELECT ashlar.audited('x', entity => 'x', entity_id => 'a', columns => ARRAY['a'])`,
    'primary key',
  ],
  ['no reason', 'CREATE TABLE x (id int PRIMARY KEY)', `SELECT ashlar.technical('x', ' ')`, 'why'],
  ['no table', 'SELECT 1', `SELECT ashlar.technical('nowhere', 'test')`, 'nowhere'],
])('a declaration is refused: %s', async (_, table, declaration, message) => {
  const attempt = as(
    store.adminUrl,
    `BEGIN; SELECT set_config('ashlar.publication', 'ashlar_audit', true); SET search_path = public; ${table}; ${declaration}; COMMIT`,
  )
  await expect(attempt).rejects.toThrow(message)
})

test('roles may do what they need and no more', async () => {
  await expect(as(store.url, 'SELECT name FROM accounts')).resolves.toEqual([])
  await expect(as(store.url, 'DROP TABLE accounts')).rejects.toThrow('must be owner')
  await expect(as(store.url, 'TRUNCATE accounts')).rejects.toThrow('permission denied')
  await expect(as(store.url, `UPDATE ashlar.tables SET person = NULL`)).rejects.toThrow('permission denied')
  await expect(as(store.changesUrl, 'SELECT name FROM accounts')).resolves.toEqual([])
  await expect(as(store.changesUrl, 'SELECT changed_at FROM secrets')).resolves.toEqual([])
  await expect(as(store.changesUrl, 'SELECT secret FROM secrets')).rejects.toThrow('permission denied')
  await expect(as(store.changesUrl, 'SELECT * FROM notes')).rejects.toThrow('permission denied')
  await expect(as(store.changesUrl, 'DELETE FROM accounts')).rejects.toThrow('permission denied')
})

test('only the service may write a context into the WAL', async () => {
  const emit = `SELECT pg_logical_emit_message(true, 'ashlar.audit', '{"actor":{"type":"user","id":"somebody else"}}')`
  await expect(as(store.url, emit)).resolves.toHaveLength(1)
  for (const url of [store.changesUrl, store.urlAs('payments')]) {
    await expect(as(url, emit)).rejects.toThrow('permission denied')
  }
})

test('append_only takes changes and removals from the service, and a later migration run does not give them back', async () => {
  await as(
    store.adminUrl,
    `SET search_path = public; SELECT set_config('ashlar.runtime_role', 'ashlar_auth', false); SELECT ashlar.append_only('notes')`,
  )
  await run()
  await expect(as(store.url, `INSERT INTO notes (text) VALUES ('x')`)).resolves.toEqual([])
  await expect(as(store.url, `UPDATE notes SET text = 'y'`)).rejects.toThrow('permission denied')
  await expect(as(store.url, 'DELETE FROM notes')).rejects.toThrow('permission denied')
})

test('what a stuck client can hold is bounded', async () => {
  const [limits] = (await as(
    store.url,
    `SELECT current_setting('transaction_timeout') AS transaction, current_setting('idle_in_transaction_session_timeout') AS idle`,
  )) as { transaction: string; idle: string }[]
  expect(limits).toEqual({ transaction: '30s', idle: '15s' })
})
