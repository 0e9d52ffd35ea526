import { createHash } from 'node:crypto'
import { eventually } from '@ashlar/platform/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allEntries, type Capture, type Harness, harness } from '../../test/harness.ts'
import type { Draft, Entry } from '../domain/entry.ts'
import { createChangeSink } from './change-sink.ts'
import { Unstorable } from './ports.ts'

let at: Harness
let capture: Capture

beforeAll(async () => {
  at = await harness()
  capture = await at.start()
})
afterAll(() => at.close())

const next = async (statement: string, values: unknown[] = []): Promise<Entry[]> => {
  const before = (await allEntries(at)).length
  await at.source.sql(statement, values)
  return eventually(async () => {
    const entries = (await allEntries(at)).slice(before)
    expect(entries.length).toBeGreaterThan(0)
    return entries
  }, 25_000)
}

const digestOf = (count: number) => ({
  $oversize: { sha256: createHash('sha256').update('é'.repeat(count)).digest('hex'), bytes: 2 * count },
})

test('a text of 50 MB is told by its digest and length, and the trail goes on', async () => {
  const count = 25 * 1024 * 1024
  const [entry] = await next(`INSERT INTO lines VALUES ('big', 1, 1, repeat('é', ${count}))`)
  expect(entry?.after).toEqual({ account: 'big', number: 1, amount: '1', text: digestOf(count) })
  await at.source.sql(`INSERT INTO lines VALUES ('large', 1, 1, repeat('é', 1000000))`)
  await next(`UPDATE lines SET amount = 2 WHERE account = 'large'`)
  const updated = await eventually(async () => {
    const found = (await allEntries(at)).find(({ action }) => action === 'update')
    expect(found).toBeDefined()
    return found
  })
  const large = { account: 'large', number: 1, text: digestOf(1_000_000) }
  expect(updated).toMatchObject({
    changed: ['amount'],
    before: { ...large, amount: '1' },
    after: { ...large, amount: '2' },
  })
  expect((await at.verify()).valid).toBe(true)
})

test('numbers and times that are none have their words, and documents their text where they go too deep', async () => {
  const deep = `${'['.repeat(3000)}1${']'.repeat(3000)}`
  const [entry] = await next(
    `INSERT INTO odd VALUES (1, 'NaN', 'Infinity', 'infinity', '-infinity', NULL, $1), (2, '-Infinity', 'NaN', '-infinity', 'infinity',
      ARRAY(SELECT generate_series(1, 200000)), '{"nul":"a\\u0000b","n":1e400}')`,
    [deep],
  )
  const other = (await allEntries(at)).at(-1)
  expect(entry?.after).toEqual({
    ...{ id: 1, number: 'NaN', float: 'Infinity', at: 'infinity', day: '-infinity', list: null },
    doc: { $json: deep },
  })
  expect(other?.after).toMatchObject({
    ...{ id: 2, number: '-Infinity', float: 'NaN', at: '-infinity', day: 'infinity' },
    list: { $oversize: { bytes: 1_288_896 } },
    doc: { nul: 'a\0b', n: { $number: '1e400' } },
  })
  expect((await at.verify()).valid).toBe(true)
})

const draft = (userAgent: string): Draft => ({
  id: crypto.randomUUID(),
  service: 'auth',
  entity: 'session',
  entityId: 's',
  action: 'event',
  before: null,
  after: { text: 'fine' },
  changed: ['text'],
  actor: { type: 'service', id: 'auth' },
  context: { requestId: null, traceId: null, ip: null, userAgent, reason: 'why' },
  source: { epoch: 'e', lsn: null, txid: null, table: 't', commitTime: '2026-01-01T00:00:00Z' },
  personal: [],
  keys: [],
})

test('an entry that the store refuses is stored as far as it can be, those beside it whole', async () => {
  await capture.events?.append([draft('before'), draft('no\0pe'), draft('after')])
  const entries = (await allEntries(at, 'events')).slice(-3)
  expect(entries.map(({ context, after }) => [context.userAgent, after?.text])).toEqual([
    ['before', 'fine'],
    [null, 'fine'],
    ['after', 'fine'],
  ])
  expect((await at.verify()).valid).toBe(true)
  expect(at.runtime.logs.some(({ message }) => message === 'An entry is stored without its values')).toBe(true)
})

test('a batch of changes with one that the store refuses moves the position on', async () => {
  const stored: unknown[] = []
  const sink = createChangeSink({
    service: 'payments',
    writer: {
      prepare: async (drafts: readonly Draft[]) => ({ drafts: [], sealed: [], count: drafts.length }),
      commit: async () => Promise.reject(new Unstorable('no form')),
      append: async (drafts: readonly Draft[], position: unknown) => void stored.push([drafts.length, position]),
    } as never,
    store: { position: async () => undefined } as never,
    onGap: () => {},
    now: Date.now,
  })
  const position = { epoch: 'e', lsn: '0/2', phase: 'stream' } as const
  await sink.store([], position)
  const changes: never[] = []
  sink.prepare(changes)
  await sink.store(changes, position)
  expect(stored).toEqual([
    [0, position],
    [0, position],
  ])
})
