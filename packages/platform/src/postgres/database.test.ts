import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { sampleMigrations } from '../../test/sample.ts'
import { type TestDatabase, type TestRuntime, testDatabase, testRuntime } from '../testing/index.ts'
import { type Database, DependencyUnavailable, openDatabase } from './index.ts'
import { createStatementNames } from './statements.ts'

let store: TestDatabase
let runtime: TestRuntime
let database: Database<{ notes: { text: string } }>

beforeAll(async () => {
  store = await testDatabase('auth', sampleMigrations)
  runtime = testRuntime()
  database = openDatabase({ url: store.url, applicationName: 'test', runtime, service: 'auth', max: 3 })
})
afterAll(async () => {
  await database.close()
  await store.close()
})

test('each column type arrives without losing anything', async () => {
  const { rows } = await sql`
    SELECT 9223372036854775807::int8 AS big, ARRAY[1, NULL, 9007199254740993]::int8[] AS bigs, 1.10::numeric AS exact,
      '2026-01-02T03:04:05.678Z'::timestamptz AS at, '2026-01-02'::date AS day, '{"a":[1]}'::jsonb AS doc,
      '\\x00ff'::bytea AS bytes, NULL::int8 AS nothing, true AS yes`.execute(database.db)
  expect(rows).toEqual([
    {
      big: 9223372036854775807n,
      bigs: [1n, null, 9007199254740993n],
      exact: '1.10',
      at: new Date('2026-01-02T03:04:05.678Z'),
      day: '2026-01-02',
      doc: { a: [1] },
      bytes: Buffer.from([0, 255]),
      nothing: null,
      yes: true,
    },
  ])
})

test('the same SQL is prepared once per connection and then executed by name', async () => {
  const single = openDatabase<{ notes: { text: string } }>({
    url: store.url,
    applicationName: 'test',
    runtime,
    service: 'auth',
    max: 1,
  })
  for (const text of ['a', 'b', 'c']) await single.db.insertInto('notes').values({ text }).execute()
  const { rows } = await sql<{ name: string }>`
    SELECT name FROM pg_prepared_statements WHERE statement LIKE 'insert into "notes"%'`.execute(single.db)
  expect(rows).toEqual([{ name: expect.stringMatching(/^s\d+$/) }])
  await single.close()
})

test('names of statements are bounded: more texts stay unnamed and still work', () => {
  const names = createStatementNames(2)
  expect([names.nameOf('a'), names.nameOf('b'), names.nameOf('c'), names.nameOf('a')]).toEqual([
    's1',
    's2',
    undefined,
    's1',
  ])
})

test('a plan that a migration made stale is given up with its connection', async () => {
  await store.sql(
    'CREATE TABLE public.shape (a int); INSERT INTO public.shape VALUES (1); GRANT SELECT ON public.shape TO ashlar_auth',
  )
  const single = openDatabase<{ shape: Record<string, number> }>({
    url: store.url,
    applicationName: 'test',
    runtime,
    service: 'auth',
    max: 1,
  })
  const read = () => single.db.selectFrom('shape').selectAll().execute()
  expect(await read()).toEqual([{ a: 1 }])
  await store.sql('ALTER TABLE public.shape ADD COLUMN b int DEFAULT 2')
  await read().catch(() => undefined)
  expect(await read()).toEqual([{ a: 1, b: 2 }])
  await single.close()
  await store.sql('DROP TABLE public.shape')
})

test('a transaction can be opened by a unit of work alone', async () => {
  await expect(database.db.transaction().execute(async () => 1)).rejects.toThrow('unit of work')
})

test('a pool that is exhausted says so instead of hanging', async () => {
  const busy = Array.from({ length: 3 }, () => sql`SELECT pg_sleep(6)`.execute(database.db).catch(() => undefined))
  await expect(database.ping()).rejects.toBeInstanceOf(DependencyUnavailable)
  await store.cutConnections()
  await Promise.all(busy)
}, 15_000)

test('connections that are cut while idle or at work end nothing but their query', async () => {
  await Promise.all(Array.from({ length: 3 }, () => database.ping()))
  const working = sql`SELECT pg_sleep(5)`.execute(database.db)
  const outcome = expect(working).rejects.toBeInstanceOf(DependencyUnavailable)
  await new Promise((resolve) => setTimeout(resolve, 50))
  await store.cutConnections()
  await outcome
  await new Promise((resolve) => setTimeout(resolve, 50))
  await expect(database.ping()).resolves.toBeUndefined()
})

test('an error of SQL is thrown as it is, with its code', async () => {
  await expect(sql`SELECT 1/0`.execute(database.db)).rejects.toMatchObject({ code: '22012' })
})

test('an unreachable server is a dependency that is unavailable', async () => {
  const nowhere = openDatabase({
    url: 'postgres://a:b@127.0.0.1:1/x',
    applicationName: 'test',
    runtime,
    service: 'auth',
    dependency: 'ledger',
  })
  await expect(nowhere.ping()).rejects.toMatchObject({ name: 'DependencyUnavailable', dependency: 'ledger' })
  await nowhere.close()
})
