import { err, ok } from '@ashlar/kernel'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { defineErrors, defineRoute } from '../contract/index.ts'
import { testRuntime } from '../testing/index.ts'
import { buildOpenApi, createHttpServer, type HttpServer } from './index.ts'
import { ask } from './server.fixture.ts'

const errors = defineErrors({ signature_invalid: { status: 401, title: 'The signature is not valid' } })
const routes = {
  webhook: defineRoute({
    method: 'POST',
    path: '/webhook',
    summary: 'Bytes alone',
    access: 'public',
    rawBody: true,
    responses: { 204: null },
    errors: ['signature_invalid'],
  }),
  signed: defineRoute({
    method: 'POST',
    path: '/signed',
    summary: 'Bytes and what they say',
    access: 'public',
    rawBody: true,
    body: z.object({ id: z.string() }),
    responses: { 200: z.object({ id: z.string(), bytes: z.number() }) },
  }),
  report: defineRoute({
    method: 'POST',
    path: '/report',
    summary: 'A form that others rule',
    access: 'public',
    consumes: ['application/csp-report', 'application/reports+json'],
    unknownFields: 'ignore',
    body: z.object({ 'csp-report': z.object({ blocked: z.string() }) }),
    responses: { 200: z.unknown() },
    limits: [{ name: 'report', quota: 20, windowSeconds: 60, by: 'address' }],
  }),
  plain: defineRoute({
    method: 'PUT',
    path: '/plain',
    summary: 'JSON alone, with a condition',
    access: 'public',
    body: z.object({ id: z.string() }),
    responses: { 204: null },
    errors: ['precondition_failed'],
  }),
}

let server: HttpServer
let port: number
let got: unknown
beforeAll(async () => {
  server = await createHttpServer({
    service: 'payments',
    runtime: testRuntime(),
    routes,
    errors,
    health: {},
    handlers: {
      webhook: async ({ rawBody, body }) => {
        got = { text: rawBody.toString('latin1'), body }
        return rawBody.includes('forged') ? err('signature_invalid') : ok({ status: 204 })
      },
      signed: async ({ body, rawBody }) => ok({ status: 200, body: { id: body.id, bytes: rawBody.length } }),
      report: async ({ body, rawBody }) => {
        got = rawBody
        return ok({ status: 200, body })
      },
      plain: async () => ok({ status: 204 }),
    },
  })
  port = await server.listen('127.0.0.1', 0)
})
afterAll(() => server.close())

const send = (path: string, body: string | Buffer, type: string) =>
  ask(port, path, { method: path === '/plain' ? 'PUT' : 'POST', body, headers: { 'content-type': type } })

test('a route without a schema gets its bytes as they came, before anything is believed of them', async () => {
  const bytes = '{"a": 1,  "__proto__": {"x": "\xe9"}, '
  expect((await send('/webhook', Buffer.from(bytes, 'latin1'), 'application/json')).status).toBe(204)
  expect(got).toEqual({ text: bytes, body: undefined })
  expect((await send('/webhook', '[[forged', 'application/json')).json().code).toBe('signature_invalid')
  expect((await ask(port, '/webhook', { method: 'POST' })).status).toBe(204)
  expect(got).toEqual({ text: '', body: undefined })
})

test('bytes are as limited as any body', async () => {
  expect((await send('/webhook', 'x'.repeat(128 * 1024 + 1), 'application/json')).status).toBe(413)
  expect((await send('/webhook', 'x', 'text/plain')).status).toBe(415)
})

test('a body in another coding is refused, whatever its bytes look like', async () => {
  const encoded = (coding: string) => ({ 'content-type': 'application/json', 'content-encoding': coding })
  for (const path of ['/signed', '/webhook']) {
    for (const coding of ['gzip', 'identity, br']) {
      const reply = await ask(port, path, { method: 'POST', body: '{"id":"a"}', headers: encoded(coding) })
      expect([reply.status, reply.json().code]).toEqual([415, 'media_type_unsupported'])
    }
  }
  const plain = await ask(port, '/signed', { method: 'POST', body: '{"id":"a"}', headers: encoded('Identity') })
  expect(plain.status).toBe(200)
})

test('a route with a schema gets both, and the schema rules', async () => {
  const reply = await send('/signed', '{ "id": "é" }', 'application/json')
  expect(JSON.parse(reply.text)).toEqual({ id: 'é', bytes: 14 })
  expect((await send('/signed', '{"id":"a","more":1}', 'application/json')).json().errors).toMatchObject([
    { pointer: '/more', code: 'unknown_field' },
  ])
  expect((await send('/signed', '{"id"', 'application/json')).status).toBe(400)
})

test('a media type is taken by the route that names it and by no other', async () => {
  const body = '{"csp-report":{"blocked":"https://evil.example"}}'
  for (const type of ['application/csp-report', 'Application/CSP-Report; charset=utf-8', 'application/reports+json']) {
    expect((await send('/report', body, type)).status).toBe(200)
  }
  expect(got).toBeUndefined()
  expect((await send('/report', body, 'application/csp-reports')).status).toBe(415)
  expect((await send('/plain', '{"id":"a"}', 'application/csp-report')).json().code).toBe('media_type_unsupported')
  expect((await send('/webhook', body, 'application/csp-report')).status).toBe(415)
})

test('fields that a third party adds are left out at every depth, poisoned ones still refused', async () => {
  const reply = await send('/report', '{"csp-report":{"blocked":"x","new":1},"more":[1]}', 'application/json')
  expect(JSON.parse(reply.text)).toEqual({ 'csp-report': { blocked: 'x' } })
  const poisoned = await send('/report', '{"csp-report":{"blocked":"x","__proto__":{}}}', 'application/csp-report')
  expect(poisoned.json().errors).toMatchObject([{ pointer: '/csp-report/__proto__', code: 'name_refused' }])
})

type Operation = {
  parameters: unknown[]
  responses: object
  requestBody: { content: Record<string, { schema: { additionalProperties?: boolean } }> }
  'x-ashlar-limits'?: unknown
}

test('the document says which bodies, limits and conditions there are', () => {
  const { paths } = buildOpenApi({ service: 'payments', routes, errors })
  const operation = (path: string) => Object.values(paths[path] ?? {})[0] as Operation
  expect(operation('/webhook').requestBody).toEqual({ required: true, content: { 'application/json': { schema: {} } } })
  expect(Object.keys(operation('/webhook').responses)).toEqual(expect.arrayContaining(['204', '401', '413', '415']))
  const { content } = operation('/report').requestBody
  expect(Object.keys(content)).toEqual(['application/json', 'application/csp-report', 'application/reports+json'])
  expect(content['application/csp-report']?.schema.additionalProperties).toBeUndefined()
  expect(operation('/plain').requestBody.content['application/json']?.schema.additionalProperties).toBe(false)
  expect(operation('/report')['x-ashlar-limits']).toEqual([
    { name: 'report', quota: 20, windowSeconds: 60, by: 'address' },
  ])
  expect(operation('/plain').parameters).toMatchObject([{ name: 'If-Match', in: 'header', required: false }])
  expect(operation('/report').parameters).toEqual([])
})
