import { childTraceparent, newTraceparent, traceIdOf } from '@ashlar/platform/context'
import type { Attributes, Tracing } from '@ashlar/platform/telemetry'
import { describe, expect, test } from 'vitest'
import { ask } from '../test/ask.ts'
import { caller, openRig, type Rig, type RigOptions } from '../test/fixture.ts'

const withRig = async (options: RigOptions, work: (rig: Rig) => Promise<void>) => {
  const rig = await openRig(options)
  try {
    await work(rig)
  } finally {
    await rig.close()
  }
}
const lineOf = (rig: Rig, requestId: string) =>
  expect.poll(() => rig.logs.find(({ correlationId }) => correlationId === requestId), { timeout: 3_000 })

describe('the line of a request', () => {
  test('says who, what, how it went, how long it took and how much was sent', async () => {
    await withRig({}, async (rig) => {
      const headers = { 'x-request-id': 'line-1', authorization: 'Bearer good', cookie: 'planted' }
      const answer = await ask(rig.port, '/auth/validate?planted=1', { headers })
      await lineOf(rig, 'line-1').toEqual({
        timestamp: expect.any(String),
        level: 'info',
        service: 'gateway-service',
        message: 'request',
        correlationId: 'line-1',
        traceId: traceIdOf(String(answer.headers.traceparent)),
        userId: caller.userId,
        method: 'GET',
        path: '/auth/validate',
        route: '/auth/validate',
        status: 200,
        duration: expect.stringMatching(/^\d+ms$/),
        bytes: expect.any(Number),
        ip: '127.0.0.1',
      })
      const bytes = rig.logs.find(({ correlationId }) => correlationId === 'line-1')?.bytes as number
      expect(bytes).toBeGreaterThan(answer.bytes.length + 300)
      expect(bytes).toBeLessThan(answer.bytes.length + 2_000)
      expect(JSON.stringify(rig.logs)).not.toContain('planted')
    })
  })

  test('at the level debug it has the harmless headers of both sides, and no others', async () => {
    await withRig({ logLevel: 'debug' }, async (rig) => {
      const headers = {
        'x-request-id': 'line-2',
        'accept-encoding': 'gzip',
        'user-agent': 'suite/1',
        'content-type': 'application/json',
        authorization: 'Bearer good',
        cookie: 'session=planted',
        'x-api-key': 'planted',
        'idempotency-key': 'planted',
      }
      await ask(rig.port, '/notifications/long?token=planted', { headers })
      await lineOf(rig, 'line-2').toMatchObject({
        requestHeaders: expect.arrayContaining(['accept-encoding: gzip', 'user-agent: suite/1']),
        responseHeaders: expect.arrayContaining([
          'content-type: application/json; charset=utf-8',
          'content-encoding: gzip',
        ]),
      })
      const headers2 = { 'x-request-id': 'line-3', 'user-agent': 'x'.repeat(5_000) }
      await ask(rig.port, '/payments', { method: 'POST', headers: headers2, body: 'planted' })
      await lineOf(rig, 'line-3').toMatchObject({
        responseHeaders: expect.arrayContaining([expect.stringMatching(/^content-length: \d+$/)]),
      })
      const text = JSON.stringify(rig.logs)
      expect(text).not.toMatch(/planted|Bearer/)
      expect(text).not.toContain('x'.repeat(300))
    })
  })

  test('who leaves before he is answered has a line too, with 499', async () => {
    await withRig({}, async (rig) => {
      const stop = new AbortController()
      const gone = fetch(`${rig.url}/payments/slow`, { signal: stop.signal, headers: { 'x-request-id': 'line-4' } })
      await rig.slow.waiting
      stop.abort()
      await expect(gone).rejects.toThrow()
      await lineOf(rig, 'line-4').toMatchObject({ status: 499, route: '/payments/slow' })
    })
  })
})

describe('spans', () => {
  type Recorded = {
    name: string
    kind: string
    parent?: string
    traceparent: string
    attributes: Attributes
    error?: unknown
    ended: boolean
  }

  const recorder = () => {
    const spans: Recorded[] = []
    const tracing: Tracing = {
      on: true,
      start: (name, { kind, parent, attributes = {} }) => {
        const traceparent = parent === undefined ? newTraceparent() : childTraceparent(parent)
        const span: Recorded = { name, kind, parent, traceparent, attributes, ended: false }
        spans.push(span)
        return {
          traceparent,
          set: (more) => void Object.assign(span, { attributes: { ...span.attributes, ...more } }),
          rename: (to) => void Object.assign(span, { name: to }),
          end: (error) => void Object.assign(span, { error, ended: true }),
        }
      },
      close: async () => {},
    }
    return { spans, tracing }
  }

  test('one per request, child of the caller, parent of what the service does, named by the pattern', async () => {
    const { spans, tracing } = recorder()
    await withRig({ tracing }, async (rig) => {
      const parent = newTraceparent()
      const headers = { traceparent: parent, 'x-request-id': 'span-1' }
      const { headers: sent } = await ask(rig.port, '/payments/planted?planted=1', { headers })
      await expect.poll(() => spans.map(({ ended }) => ended)).toEqual([true])
      expect(spans[0]).toMatchObject({
        name: 'GET /payments/{id}',
        kind: 'server',
        parent,
        error: undefined,
        attributes: {
          'http.request.method': 'GET',
          'http.route': '/payments/{id}',
          'http.response.status_code': 200,
          'ashlar.request_id': 'span-1',
        },
      })
      expect(sent.traceparent).toBe(spans[0]?.traceparent)
      expect(rig.seen.at(-1)?.headers.traceparent).toBe(spans[0]?.traceparent)
      expect(JSON.stringify(spans)).not.toContain('planted')
    })
  })

  test('refusals end theirs; only faults count as failed', async () => {
    const { spans, tracing } = recorder()
    await withRig({ tracing }, async (rig) => {
      for (const path of ['/payments//x', '/nothing', '/livez']) await ask(rig.port, path)
      await ask(rig.port, '/auth/validate', { headers: { authorization: 'Bearer crash' } })
      await expect.poll(() => spans.filter(({ ended }) => ended).length).toBe(4)
      expect(spans.map(({ name, error }) => [name, error])).toEqual([
        ['GET (none)', undefined],
        ['GET (none)', undefined],
        ['GET /livez', undefined],
        ['GET /auth/validate', 'internal_error'],
      ])
    })
  })
})
