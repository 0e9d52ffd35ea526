import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { sampleMigrations } from '../../test/sample.ts'
import { eventually, type TestDatabase, type TestRuntime, testDatabase, testRuntime } from '../testing/index.ts'
import { type Database, openDatabase } from './index.ts'
import type { Statements } from './statement.ts'

let store: TestDatabase
let runtime: TestRuntime
let database: Database<{ notes: { text: string } }>

beforeAll(async () => {
  store = await testDatabase('auth', sampleMigrations)
  runtime = testRuntime()
})
beforeEach(() => {
  // One connection, so that whatever a transaction leaves on it meets the next one.
  database = openDatabase({ url: store.url, applicationName: 'test', runtime, service: 'auth', max: 1 })
})
afterEach(async () => {
  await database.close()
  await store.sql('DELETE FROM notes')
})
afterAll(() => store.close())

const NOTE = 'INSERT INTO notes (text) VALUES ($1)'
const BEGIN = [{ text: 'BEGIN' }]
const transact = <T>(work: (statements: Statements) => Promise<T>): Promise<T> =>
  database.transact(BEGIN, (_db, statements) => work(statements))
const notes = async () => (await store.sql<{ text: string }>('SELECT text FROM notes ORDER BY text')).map((r) => r.text)

describe('statements that are put off', () => {
  test('are there for the next question, and committed without one', async () => {
    await transact(async (statements) => {
      statements.later(NOTE, ['a'])
      expect(await statements.ask('SELECT text FROM notes')).toEqual([{ text: 'a' }])
      statements.later(NOTE, ['b'])
    })
    await transact(async (statements) => statements.later(NOTE, ['c']))
    expect(await notes()).toEqual(['a', 'b', 'c'])
  })

  test('fail what they go with, and leave nothing', async () => {
    const asked = transact(async (statements) => {
      statements.later(NOTE, ['gone'])
      statements.later('SELECT 1 / $1::int', [0])
      await statements.ask('SELECT 1')
    })
    await expect(asked).rejects.toMatchObject({ code: '22012' })
    const committed = transact(async (statements) => {
      statements.later(NOTE, ['gone'])
      statements.later('SELECT 1 / $1::int', [0])
    })
    await expect(committed).rejects.toMatchObject({ code: '22012' })
    expect(await notes()).toEqual([])
  })

  test('are told by their own error although somebody swallowed it', async () => {
    const work = transact(async (statements) => {
      statements.later(NOTE, ['gone'])
      statements.later('SELECT 1 / $1::int', [0])
      await statements.ask('SELECT 1').catch(() => undefined)
    })
    await expect(work).rejects.toThrow('rolled back')
    expect(await notes()).toEqual([])
  })

  test('cannot be added once the transaction has ended', async () => {
    const leaked = await transact(async (statements) => statements)
    expect(() => leaked.later(NOTE, ['late'])).toThrow('has ended')
  })
})

test('what goes with a BEGIN is never run without it', async () => {
  const work = database.transact([{ text: 'SELECT 1 / 0' }, ...BEGIN], (_db, statements) =>
    statements.ask(NOTE, ['outside']),
  )
  await expect(work).rejects.toMatchObject({ code: '22012' })
  const companion = database.transact([...BEGIN, { text: 'SELECT 1 / 0' }], (_db, statements) =>
    statements.ask(NOTE, ['outside']),
  )
  await expect(companion).rejects.toMatchObject({ code: '22012' })
  expect(await notes()).toEqual([])
})

test('a transaction without a statement asks nothing of a store that is away', async () => {
  const restore = await store.outage()
  await expect(transact(async () => 'nothing')).resolves.toBe('nothing')
  await restore()
})

test('of questions asked together, the second sees what was committed while the first waited for a lock', async () => {
  await store.sql(`INSERT INTO notes (text) VALUES ('old')`)
  const held = Promise.withResolvers<void>()
  const holds = Promise.withResolvers<void>()
  const other = openDatabase<{ notes: { text: string } }>({
    url: store.url,
    applicationName: 'other',
    runtime,
    service: 'auth',
  })
  const writer = other.transact(BEGIN, async (_db, statements) => {
    await statements.ask(`UPDATE notes SET text = 'new'`)
    holds.resolve()
    await held.promise
  })
  await holds.promise
  const reader = transact((statements) =>
    Promise.all([statements.ask('SELECT FROM notes FOR UPDATE'), statements.ask('SELECT text FROM notes')]),
  )
  await eventually(async () =>
    expect(await store.sql(`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'`)).toHaveLength(1),
  )
  held.resolve()
  await writer
  expect((await reader)[1]).toEqual([{ text: 'new' }])
  await other.close()
})

test('a statement that failed when it was new is prepared again on the same connection', async () => {
  const ask = (divisor: number) =>
    transact((statements) => statements.ask('SELECT 6 / $1::int AS result', [divisor]).then(([row]) => row))
  await expect(ask(0)).rejects.toMatchObject({ code: '22012' })
  expect(await ask(2)).toEqual({ result: 3 })
  expect(await ask(3)).toEqual({ result: 2 })
})

test('a value that cannot be sent fails its question and nothing after the transaction', async () => {
  const work = transact(async (statements) => {
    statements.later(NOTE, ['gone'])
    await statements.ask(NOTE, [Symbol('no text')])
  })
  await expect(work).rejects.toThrow('cannot be a parameter')
  await expect(transact((statements) => statements.ask('SELECT 1 AS one'))).resolves.toEqual([{ one: 1 }])
  expect(await notes()).toEqual([])
})

test('one text with many values in one transaction is prepared once', async () => {
  await transact(async (statements) => {
    for (const text of ['a', 'b', 'c']) statements.later(NOTE, [text])
  })
  expect(await notes()).toEqual(['a', 'b', 'c'])
  const [row] = await transact((statements) =>
    statements.ask<{ times: number }>(
      'SELECT count(*)::int AS times FROM pg_prepared_statements WHERE statement = $1',
      [NOTE],
    ),
  )
  expect(row?.times).toBe(1)
})

describe('parameters', () => {
  const text = fc.string({ unit: 'binary' }).filter((value) => !value.includes('\0') && value.isWellFormed())
  const back = async (type: string, value: unknown) =>
    (await transact((statements) => statements.ask<{ value: unknown }>(`SELECT $1::${type} AS value`, [value])))[0]
      ?.value

  test('texts, and arrays of texts with holes, arrive as they were', async () => {
    await fc.assert(
      fc.asyncProperty(text, fc.array(fc.option(text)), async (single, many) => {
        expect(await back('text', single)).toBe(single)
        expect(await back('text[]', many)).toEqual(many)
      }),
      { numRuns: 60 },
    )
  })

  test('every other kind of value arrives as it was', async () => {
    const at = new Date('2026-01-02T03:04:05.678Z')
    const bytes = Buffer.from([0, 39, 92, 255])
    expect(await back('timestamptz', at)).toEqual(at)
    expect(await back('bytea', bytes)).toEqual(bytes)
    expect(await back('bytea', new Uint8Array(bytes))).toEqual(bytes)
    expect(await back('bytea[]', [bytes, null])).toEqual([bytes, null])
    expect(await back('int8', 9_007_199_254_740_993n)).toBe(9_007_199_254_740_993n)
    expect(await back('int8[]', [1n, 2])).toEqual([1n, 2n])
    expect(
      await back('text[]', [
        ['a', '"'],
        ['\\', '{}'],
      ]),
    ).toEqual([
      ['a', '"'],
      ['\\', '{}'],
    ])
    expect(await back('bool', false)).toBe(false)
    expect(await back('float8', 0.1)).toBe(0.1)
    expect(await back('jsonb', { a: ['"', null] })).toEqual({ a: ['"', null] })
    expect(await back('text', undefined)).toBeNull()
  })
})
