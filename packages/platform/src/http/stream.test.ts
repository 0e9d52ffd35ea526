import { request as nodeRequest } from 'node:http'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { ok } from '@ashlar/kernel'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { content, defineErrors, defineRoute } from '../contract/index.ts'
import type { KeyedTx } from '../idempotency/types.ts'
import { eventually, testRuntime } from '../testing/index.ts'
import { createHttpServer, type HttpServer } from './index.ts'
import { ask } from './server.fixture.ts'

const routes = {
  dump: defineRoute({
    method: 'GET',
    path: '/dump',
    summary: 'Line by line',
    access: 'public',
    responses: { 200: content('application/x-ndjson') },
  }),
  kept: defineRoute({
    method: 'POST',
    path: '/kept',
    summary: 'Cannot be kept',
    access: 'public',
    idempotency: 'transaction',
    responses: { 200: content('text/plain') },
  }),
}

const runtime = testRuntime()
let kept = 0
/** A transaction in which every key is new. */
const keyed: KeyedTx = {
  idempotency: {
    reserve: async () => ({ state: 'reserved' }),
    acquire: async () => ({ state: 'reserved' }),
    complete: async () => {
      kept += 1
      return true
    },
    release: async () => undefined,
  },
}

let server: HttpServer
let port: number
let made: Readable
let source: () => Readable
beforeAll(async () => {
  server = await createHttpServer({
    service: 'payments',
    runtime,
    routes,
    errors: defineErrors({}),
    health: {},
    handlers: {
      dump: async () => {
        made = source()
        const headers = { 'content-disposition': 'attachment; filename="dump"' }
        return ok({ status: 200, body: made, headers })
      },
      kept: async ({ idempotency }) =>
        idempotency.inTransaction<KeyedTx, string>(
          (work) => work(keyed),
          async () => ok('x'),
          () => ({ status: 200, body: Readable.from(['x']) }),
        ),
    },
  })
  port = await server.listen('127.0.0.1', 0)
})
afterAll(() => server.close())
beforeEach(() => {
  runtime.logs.length = 0
})

const BLOCK = Buffer.alloc(64 * 1024, 'x')
let produced = 0
/** Blocks without end, counted as they are taken. */
const endless = (): Readable => {
  produced = 0
  return new Readable({
    read() {
      produced += BLOCK.length
      this.push(BLOCK)
    },
  })
}

test('a stream arrives whole, with the type of its contract and the headers of its handler', async () => {
  source = () => Readable.from(['{"n":1}\n', Buffer.from('{"n":2}\n')])
  const reply = await ask(port, '/dump')
  expect([reply.status, reply.text]).toEqual([200, '{"n":1}\n{"n":2}\n'])
  expect(reply.headers).toMatchObject({
    'content-type': 'application/x-ndjson',
    'content-disposition': 'attachment; filename="dump"',
    'cache-control': 'no-store',
  })
})

test('nothing is read ahead of a caller who does not read, and his leaving ends it', async () => {
  source = endless
  const socket = connect(port, '127.0.0.1')
  socket.pause()
  socket.write('GET /dump HTTP/1.1\r\nHost: x\r\n\r\n')
  let before = -1
  await eventually(async () => {
    const now = produced
    await pause(50)
    expect(now).toBeGreaterThan(0)
    before = produced
    expect(before).toBe(now)
  })
  // What fits into the sockets' buffers and the stream's own, and no more.
  expect(before).toBeLessThan(32 * 1024 * 1024)
  expect(made.destroyed).toBe(false)
  socket.destroy()
  await eventually(() => expect(made.destroyed).toBe(true))
  expect(runtime.logs.filter(({ level }) => level === 'error')).toEqual([])
})

test('a stream that breaks after its first byte cuts the connection and is logged', async () => {
  source = () =>
    Readable.from(
      (async function* () {
        yield '{"n":1}\n'
        await pause(20)
        throw new Error('the cursor is gone')
      })(),
    )
  await expect(ask(port, '/dump')).rejects.toThrow(/aborted|hang up/)
  await eventually(() =>
    expect(runtime.logs).toContainEqual(
      expect.objectContaining({ level: 'error', message: 'the answer broke off', route: '/dump' }),
    ),
  )
})

test('a stream that breaks before its first byte is a problem like any other', async () => {
  source = () =>
    new Readable({
      read() {
        this.destroy(new Error('no rows for hunter2'))
      },
    })
  const reply = await ask(port, '/dump')
  expect([reply.status, reply.json().code]).toEqual([500, 'internal_error'])
  expect(reply.headers['content-type']).toMatch(/^application\/problem\+json/)
  expect(reply.headers['content-disposition']).toBeUndefined()
  expect(reply.text).not.toContain('hunter2')
})

test('HEAD reads nothing of it', async () => {
  source = endless
  const status = await new Promise((resolve, reject) => {
    const request = nodeRequest(
      { port, host: '127.0.0.1', path: '/dump', method: 'HEAD', agent: false },
      (response) => {
        response.resume()
        response.on('end', () => resolve(response.statusCode))
      },
    )
    request.on('error', reject)
    request.end()
  })
  expect(status).toBe(200)
  expect(made.destroyed).toBe(true)
  expect(produced).toBe(0)
})

test('a streamed answer is not kept for an idempotency key: half of it would be replayed', async () => {
  const reply = await ask(port, '/kept', { method: 'POST', headers: { 'idempotency-key': 'k' } })
  expect([reply.status, kept]).toEqual([500, 0])
})
