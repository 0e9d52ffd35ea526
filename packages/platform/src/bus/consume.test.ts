import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { sampleMigrations } from '../../test/sample.ts'
import { type ExecutionContext, traceIdOf } from '../context/index.ts'
import { type Envelope, toEnvelope } from '../events/index.ts'
import { createUnitOfWork, type Database, openDatabase } from '../postgres/index.ts'
import {
  eventually,
  type TestDatabase,
  type TestRuntime,
  testBusDatabase,
  testDatabase,
  testRuntime,
} from '../testing/index.ts'
import { type Bus, consume, createPostgresBus } from './index.ts'

let busStore: TestDatabase
let store: TestDatabase
let runtime: TestRuntime
let database: Database<Record<string, never>>
let bus: Bus

beforeAll(async () => {
  busStore = await testBusDatabase()
  store = await testDatabase('auth', sampleMigrations)
})
beforeEach(() => {
  runtime = testRuntime()
  database = openDatabase({ url: store.url, applicationName: 'test', runtime, service: 'auth' })
  bus = createPostgresBus({ url: busStore.urlAs('auth'), runtime, retry: { tries: 3, delaysMs: [20] } })
})
afterEach(async () => {
  await bus.close()
  await database.close()
})
afterAll(async () => {
  await busStore.close()
  await store.close()
})

const eventOf = (type: string, context: Partial<ExecutionContext> = {}): Envelope =>
  runtime.as(
    () => toEnvelope(runtime, 'payments', { type, subject: 's', data: {} }),
    { type: 'user', id: 'u7' },
    context,
  )
const unitOfWork = () => createUnitOfWork({ database, runtime, service: 'auth', repositories: () => ({}) })

test('a handler runs in the request, the trace and the name of whoever caused the event', async () => {
  const contexts: ExecutionContext[] = []
  await consume({
    bus,
    unitOfWork: unitOfWork(),
    runtime,
    service: 'auth',
    name: 'context',
    types: ['one.happened.v1'],
    handle: async () => void contexts.push(runtime.context.current()),
  })
  const event = eventOf('one.happened.v1', { requestId: 'r7' })
  await bus.publish([event, { ...eventOf('one.happened.v1'), actor: undefined }])
  await eventually(() => contexts.length === 2)
  expect(contexts[0]).toMatchObject({ requestId: 'r7', actor: { type: 'user', id: 'u7' } })
  expect(traceIdOf(contexts[0]?.traceparent ?? '')).toBe(traceIdOf(event.traceparent))
  expect(contexts[0]?.traceparent).not.toBe(event.traceparent)
  expect(contexts[1]?.actor).toEqual({ type: 'service', id: 'auth' })
})

test('effects and the row of the inbox commit together: a throw leaves neither, a repeat changes nothing', async () => {
  let tries = 0
  const options = {
    bus,
    unitOfWork: unitOfWork(),
    runtime,
    service: 'auth' as const,
    name: 'once',
    types: ['two.happened.v1'],
    handle: async (event: Envelope, tx: { db: import('kysely').Kysely<{ notes: { text: string } }> }) => {
      tries += 1
      await tx.db.insertInto('notes').values({ text: event.id }).execute()
      if (tries === 1) throw new Error('after the write')
    },
  }
  const first = await consume(options)
  const event = eventOf('two.happened.v1')
  await bus.publish([event])
  await eventually(() => tries === 2)
  await first.stop()
  await busStore.sql(`UPDATE subscriptions SET position = 0 WHERE name = 'once'`)
  await consume(options)
  const last = eventOf('two.happened.v1')
  await bus.publish([last])
  await eventually(async () =>
    expect(await store.sql('SELECT text FROM notes ORDER BY id')).toEqual([{ text: event.id }, { text: last.id }]),
  )
  expect(tries).toBe(3)
  expect(await store.sql(`SELECT event_id FROM inbox WHERE subscription = 'once' ORDER BY handled_at`)).toEqual([
    { event_id: event.id },
    { event_id: last.id },
  ])
})

test('a handler that lets its transaction idle too long has failed: no outage, but a try that counts', async () => {
  let tries = 0
  await consume({
    bus,
    unitOfWork: unitOfWork(),
    runtime,
    service: 'auth',
    name: 'idler',
    types: ['three.happened.v1'],
    handle: async (_event, tx) => {
      tries += 1
      await sql`SET LOCAL idle_in_transaction_session_timeout = '50ms'`.execute(tx.db)
      await new Promise(() => {})
    },
  })
  await bus.publish([eventOf('three.happened.v1')])
  const [letter] = await eventually(async () => {
    const letters = await bus.deadLetters.list()
    expect(letters).toHaveLength(1)
    return letters
  })
  expect([letter?.attempts, tries]).toEqual([3, 3])
  expect(await store.sql(`SELECT 1 FROM inbox WHERE subscription = 'idler'`)).toEqual([])
})
