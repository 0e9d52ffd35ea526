import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { err, ok } from '@ashlar/kernel'
import { type Generated, sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { type Bus, consume, createPostgresBus } from '../src/bus/index.ts'
import { createHttpServer, defineErrors, defineRoute, type HttpServer } from '../src/http/index.ts'
import { createRelay, type Relay } from '../src/outbox/index.ts'
import { createUnitOfWork, type Database, openDatabase } from '../src/postgres/index.ts'
import { openTracing, type Tracing } from '../src/telemetry/index.ts'
import {
  createOtlpSink,
  eventually,
  type OtlpSink,
  type ReceivedSpan,
  type TestDatabase,
  type TestRuntime,
  testBusDatabase,
  testDatabase,
  testRuntime,
} from '../src/testing/index.ts'
import { sampleMigrations } from './sample.ts'

type Tables = { notes: { id: Generated<bigint>; text: string } }

const SECRET = 'a secret that nobody may read'
const routes = {
  write: defineRoute({
    method: 'POST',
    path: '/notes/:token',
    summary: 'Writes and tells',
    access: 'public',
    body: z.object({ text: z.string() }),
    responses: { 204: null },
    errors: ['odd'],
  }),
  broken: defineRoute({ method: 'GET', path: '/broken', summary: 'Fails', access: 'public', responses: { 204: null } }),
}

let sink: OtlpSink
let tracing: Tracing
let store: TestDatabase
let busStore: TestDatabase
let runtime: TestRuntime
let database: Database<Tables>
let bus: Bus
let relay: Relay
let server: HttpServer
let port: number
const handled: string[] = []

beforeAll(async () => {
  sink = await createOtlpSink()
  tracing = await openTracing({ OTEL_EXPORTER_OTLP_ENDPOINT: sink.url, OTEL_BSP_SCHEDULE_DELAY: '20' })
  ;[store, busStore] = await Promise.all([testDatabase('auth', sampleMigrations), testBusDatabase()])
  runtime = testRuntime({ tracing })
  database = openDatabase({ url: store.url, applicationName: 'test', runtime, service: 'auth' })
  bus = createPostgresBus({ url: busStore.urlAs('auth'), runtime, retry: { tries: 2, delaysMs: [10] } })
  relay = createRelay({ database, bus, runtime, service: 'auth' })
  relay.start()
  const unitOfWork = createUnitOfWork({
    database,
    runtime,
    service: 'auth',
    repositories: (db) => ({ notes: db }),
    onAppended: relay.wake,
  })
  await consume({
    bus,
    unitOfWork,
    runtime,
    service: 'notifications',
    name: 'notes',
    types: ['note.written.v1'],
    handle: async (event, tx) => {
      handled.push(event.traceparent)
      await tx.notes.insertInto('notes').values({ text: 'heard' }).execute()
    },
  })
  server = await createHttpServer({
    service: 'auth',
    runtime,
    routes,
    errors: defineErrors({ odd: { status: 409, title: 'Odd' } }),
    health: { database: () => database.ping() },
    handlers: {
      write: ({ body }) =>
        unitOfWork(async (tx) => {
          if (body.text === 'odd') return err('odd')
          await tx.notes.insertInto('notes').values({ text: body.text }).execute()
          await sql`SELECT ${sql.lit(SECRET)}`.execute(tx.notes)
          await tx.outbox.append({ type: 'note.written.v1', subject: randomUUID(), data: { text: body.text } })
          return ok({ status: 204 })
        }),
      broken: async () => {
        await sql`SELECT nothing FROM nowhere`.execute(database.db)
        return ok({ status: 204 })
      },
    },
  })
  port = await server.listen('127.0.0.1', 0)
})
afterAll(async () => {
  await server.close()
  await relay.stop()
  await bus.close()
  await database.close()
  await tracing.close()
  await Promise.all([sink.close(), store.close(), busStore.close()])
})
beforeEach(() => {
  sink.spans.length = 0
})

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const write = (text: string, headers: Record<string, string> = {}) =>
  fetch(`http://127.0.0.1:${port}/notes/${encodeURIComponent(SECRET)}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ text }),
  })
const ofKind = (kind: string): ReceivedSpan[] => sink.spans.filter((span) => span.kind === kind)
const childrenOf = (parent: ReceivedSpan | undefined): string[] =>
  sink.spans
    .filter((span) => span.parentSpanId === parent?.spanId)
    .map(({ name }) => name)
    .sort()

test('one trace runs from the request through its statements and the outbox to the consumer and its statements', async () => {
  const reply = await write(SECRET, { traceparent: `00-${TRACE}-00f067aa0ba902b7-01`, 'x-request-id': 'r-1' })
  expect(reply.status).toBe(204)
  await eventually(() => expect(ofKind('consumer')).toHaveLength(1))
  await eventually(() => expect(ofKind('server')).toHaveLength(1))
  expect(new Set(sink.spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]))

  const [request] = ofKind('server')
  expect(request).toMatchObject({
    name: 'POST /notes/:token',
    parentSpanId: '00f067aa0ba902b7',
    attributes: {
      'http.request.method': 'POST',
      'http.route': '/notes/:token',
      'http.response.status_code': 204,
      'ashlar.request_id': 'r-1',
      'ashlar.service': 'auth',
    },
  })
  expect(reply.headers.get('traceparent')).toBe(`00-${TRACE}-${request?.spanId}-01`)
  expect(childrenOf(request)).toEqual([`TRANSACTION ${store.name}`, 'send note.written.v1'])
  const transaction = sink.spans.find((span) => span.parentSpanId === request?.spanId && span.kind === 'client')
  expect(new Set(childrenOf(transaction))).toEqual(new Set([`INSERT ${store.name}`, `SELECT ${store.name}`]))

  const [sent] = ofKind('producer')
  const [processed] = ofKind('consumer')
  expect(processed).toMatchObject({
    name: 'process note.written.v1',
    parentSpanId: sent?.spanId,
    attributes: { 'messaging.consumer.group.name': 'notes', 'ashlar.service': 'notifications' },
  })
  expect(childrenOf(processed)).toEqual([`TRANSACTION ${store.name}`])
  const inner = sink.spans.find((span) => span.parentSpanId === processed?.spanId)
  expect(new Set(childrenOf(inner))).toEqual(new Set([`INSERT ${store.name}`]))
})

test('the text of a statement is kept, and no value: neither a parameter, nor a literal, nor a path', async () => {
  await write(SECRET)
  await eventually(() => expect(ofKind('consumer')).toHaveLength(1))
  const texts = sink.spans.map(({ attributes }) => attributes['db.query.text'])
  expect(texts).toContain('insert into "notes" ("text") values ($1)')
  expect(texts).toContain("SELECT '?'")
  expect(sink.spans.find(({ kind }) => kind === 'client')?.attributes).toMatchObject({
    'db.system.name': 'postgresql',
    'db.namespace': store.name,
  })
  expect(JSON.stringify(sink.spans)).not.toMatch(/secret that/)
})

test('a refusal is no failure, an error is one, of the statement too', async () => {
  expect((await write('odd')).status).toBe(409)
  expect((await fetch(`http://127.0.0.1:${port}/broken`)).status).toBe(500)
  await eventually(() => expect(ofKind('server')).toHaveLength(2))
  const byRoute = (route: string) => sink.spans.find(({ attributes }) => attributes['http.route'] === route)
  expect(byRoute('/notes/:token')).toMatchObject({ failed: false, attributes: { 'ashlar.code': 'odd' } })
  expect(byRoute('/broken')).toMatchObject({ failed: true, attributes: { 'error.type': 'internal_error' } })
  expect(sink.spans.find(({ name }) => name === `SELECT ${store.name}`)).toMatchObject({
    failed: true,
    attributes: { 'error.type': '42P01' },
  })
})

test('an unsampled request is traced nowhere on its way, and its trace id arrives all the same', async () => {
  handled.length = 0
  await write('quiet', { traceparent: `00-${TRACE}-00f067aa0ba902b7-00` })
  await eventually(() => expect(handled).toHaveLength(1))
  expect(handled[0]).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-00$`))
  expect(sink.spans).toEqual([])
})

test('a request that was handed in has its span with whoever handed it in', async () => {
  const handedIn = `00-${TRACE}-00f067aa0ba902b7-01`
  const front = createServer((request, response) => void server.handle(request, response, { traceparent: handedIn }))
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
  const reply = await fetch(`http://127.0.0.1:${(front.address() as AddressInfo).port}/broken`)
  front.close()
  expect(reply.headers.get('traceparent')).toBe(handedIn)
  await eventually(() => expect(ofKind('client')).toMatchObject([{ traceId: TRACE, parentSpanId: '00f067aa0ba902b7' }]))
  expect(ofKind('server')).toEqual([])
})

test('what is asked outside of any request has no span of its own', async () => {
  expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200)
  await eventually(() => expect(ofKind('server')).toHaveLength(1))
  expect(sink.spans).toHaveLength(1)
  expect(sink.spans[0]).toMatchObject({ name: 'GET /health' })
})
