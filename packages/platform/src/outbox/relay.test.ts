import { afterEach, beforeEach, expect, test } from 'vitest'
import { sampleMigrations } from '../../test/sample.ts'
import type { Envelope } from '../events/index.ts'
import { createUnitOfWork, type Database, openDatabase } from '../postgres/index.ts'
import { eventually, type TestDatabase, type TestRuntime, testDatabase, testRuntime } from '../testing/index.ts'
import { createRelay, pruneInbox, type Relay } from './index.ts'

type Published = { batches: Envelope[][]; failing: boolean; gate: Promise<void> }

let store: TestDatabase
let runtime: TestRuntime
let database: Database<Record<string, never>>
let published: Published
const relays: Relay[] = []

beforeEach(async () => {
  store = await testDatabase('auth', sampleMigrations)
  runtime = testRuntime()
  database = openDatabase({ url: store.url, applicationName: 'test', runtime, service: 'auth' })
  published = { batches: [], failing: false, gate: Promise.resolve() }
})
afterEach(async () => {
  runtime.faults.clear()
  await Promise.all(relays.splice(0).map((relay) => relay.stop()))
  await database.close()
  await store.close()
})

const bus = {
  publish: async (envelopes: readonly Envelope[]) => {
    await published.gate
    if (published.failing) throw new Error('bus away')
    published.batches.push([...envelopes])
  },
}
const start = (options: { batch?: number; pollMs?: number } = {}): Relay => {
  const relay = createRelay({ database, bus, runtime, service: 'auth', ...options })
  relays.push(relay)
  relay.start()
  return relay
}
const write = (relay: Relay | undefined, ...numbers: number[]) =>
  runtime.as(() =>
    createUnitOfWork({ database, runtime, service: 'auth', repositories: () => ({}), onAppended: relay?.wake })((tx) =>
      tx.outbox.append(...numbers.map((data) => ({ type: 'a.b.v1', subject: 's', data }))),
    ),
  )
const numbers = () => published.batches.flat().map((envelope) => envelope.data)
const left = async () => (await store.sql('SELECT 1 FROM outbox')).length

test('rows leave in the order of their ids, in batches, after the bus has confirmed them', async () => {
  await write(undefined, 1, 2, 3, 4, 5)
  start({ batch: 2 })
  await eventually(() => expect(numbers()).toEqual([1, 2, 3, 4, 5]))
  expect(published.batches.map((batch) => batch.length)).toEqual([2, 2, 1])
  await eventually(async () => (await left()) === 0)
})

test('a commit wakes the relay: no poll is waited for', async () => {
  const relay = start({ pollMs: 60_000 })
  await write(relay, 1)
  await eventually(() => expect(numbers()).toEqual([1]))
  const started = performance.now()
  await write(relay, 2)
  await eventually(() => expect(numbers()).toEqual([1, 2]))
  expect(performance.now() - started).toBeLessThan(500)
})

test('what was written elsewhere is found by the poll', async () => {
  start({ pollMs: 50 })
  await write(undefined, 1)
  await eventually(() => expect(numbers()).toEqual([1]), 2_000)
})

test('a row that is no event is set aside and named, and holds up nobody', async () => {
  await store.sql(`INSERT INTO outbox (event_id, envelope) VALUES (gen_random_uuid(), '{"type":"a.b.v1"}')`)
  await write(undefined, 1)
  start({ pollMs: 50 })
  await eventually(() => expect(numbers()).toEqual([1]))
  await eventually(async () => (await left()) === 1)
  expect(await store.sql('SELECT refused FROM outbox')).toEqual([{ refused: 'not an event' }])
  expect(runtime.logs.filter(({ level }) => level === 'error')).toHaveLength(1)
})

test('an event that the bus refuses is never set aside', async () => {
  published.failing = true
  await write(undefined, 1)
  start({ pollMs: 20 })
  await new Promise((resolve) => setTimeout(resolve, 300))
  published.failing = false
  await eventually(() => expect(numbers()).toEqual([1]), 10_000)
  await eventually(async () => (await left()) === 0)
})

test('a crash between confirm and delete repeats the batch and loses nothing', async () => {
  runtime.faults.throwAt('auth.relay.published', { times: 1 })
  await write(undefined, 1, 2)
  start()
  await eventually(() => expect(numbers()).toEqual([1, 2, 1, 2]))
  await eventually(async () => (await left()) === 0)
  expect(published.batches[0]?.map((envelope) => envelope.id)).toEqual(
    published.batches[1]?.map((envelope) => envelope.id),
  )
})

test('while the bus is away rows stay, the log is not flooded, and the age of the oldest is told', async () => {
  published.failing = true
  const relay = start()
  for (let index = 0; index < 20; index += 1) await write(relay, index)
  await new Promise((resolve) => setTimeout(resolve, 700))
  expect(await left()).toBe(20)
  expect(runtime.logs.filter((line) => line.level === 'warn' || line.level === 'error')).toHaveLength(1)
  expect(await runtime.metrics('auth').registry.metrics()).toMatch(/outbox_oldest_age_seconds\{[^}]*\} 0\.\d*[1-9]/)
  published.failing = false
  await eventually(() => expect(numbers()).toEqual(Array.from({ length: 20 }, (_, index) => index)))
})

test('of two relays one works; when its connection is cut the other takes over, and the first deletes nothing more', async () => {
  const gate = Promise.withResolvers<void>()
  published.gate = gate.promise
  start({ pollMs: 50 })
  await write(undefined, 1)
  const holders = () =>
    store.sql<{ pid: number }>(`SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
  const [first] = await eventually(async () => {
    const rows = await holders()
    expect(rows).toHaveLength(1)
    return rows
  })
  start({ pollMs: 50 })
  await store.sql('SELECT pg_terminate_backend($1)', [first?.pid])
  const [second] = await eventually(async () => {
    const rows = await holders()
    expect(rows).toHaveLength(1)
    return rows
  })
  expect(second?.pid).not.toBe(first?.pid)
  await write(undefined, 2)
  gate.resolve()
  await eventually(async () => (await left()) === 0)
  // The first one published too, before it learnt that its lock was gone: a repeat, which the bus knows by its id.
  expect([...new Set(numbers())]).toEqual([1, 2])
})

test('an outage of the database is survived', async () => {
  const relay = start()
  await write(relay, 1)
  await eventually(() => expect(numbers()).toEqual([1]))
  const restore = await store.outage()
  await new Promise((resolve) => setTimeout(resolve, 300))
  await restore()
  await write(relay, 2)
  await eventually(() => expect(numbers()).toEqual([1, 2]))
})

test('stop finishes the batch at hand', async () => {
  const gate = Promise.withResolvers<void>()
  published.gate = gate.promise
  await write(undefined, 1)
  const relay = start()
  await eventually(async () =>
    (await runtime.metrics('auth').registry.metrics()).includes('outbox_oldest_age_seconds{'),
  )
  await new Promise((resolve) => setTimeout(resolve, 100))
  const stopped = relay.stop()
  gate.resolve()
  await stopped
  expect(await left()).toBe(published.batches.length === 0 ? 1 : 0)
  await relay.stop()
})

test('the inbox forgets what is older than its days and nothing else', async () => {
  await store.sql(`INSERT INTO inbox (subscription, event_id, handled_at) VALUES
    ('a', gen_random_uuid(), now() - interval '31 days'), ('a', gen_random_uuid(), now() - interval '29 days')`)
  expect(await pruneInbox(database.db)).toBe(1)
  expect(await store.sql('SELECT 1 FROM inbox')).toHaveLength(1)
})
