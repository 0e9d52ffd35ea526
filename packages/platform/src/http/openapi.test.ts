import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { defineErrors, defineRoute, pageOf, pageQuery, timestamp, uuid } from '../contract/index.ts'
import { buildOpenApi, mergeOpenApi } from './openapi.ts'

const address = z.object({ street: z.string(), country: z.string().default('DE') }).meta({ id: 'Address' })
type Tree = { name: string; children: Tree[] }
const tree: z.ZodType<Tree> = z.lazy(() => z.object({ name: z.string(), children: z.array(tree) }))

const errors = defineErrors({ shelf_full: { status: 409, title: 'The shelf is full' } })
const routes = {
  list: defineRoute({
    method: 'GET',
    path: '/books',
    summary: 'Books',
    access: 'user',
    query: pageQuery({ author: z.string().optional(), from: timestamp }),
    responses: { 200: pageOf(z.object({ id: uuid, at: timestamp })) },
  }),
  move: defineRoute({
    method: 'PUT',
    path: '/books/:id/address',
    summary: 'Moves a book',
    access: { permission: 'books:write' },
    params: z.object({ id: uuid }),
    body: z.object({ amount: z.coerce.number(), title: z.string().trim().min(1) }),
    idempotency: 'transaction',
    recent: true,
    responses: { 200: z.object({ to: address }), 204: null },
    errors: ['shelf_full', 'not_found'],
  }),
  post: defineRoute({
    method: 'POST',
    path: '/books/:id/address',
    summary: 'Takes the same in another form',
    access: 'public',
    params: z.object({ id: uuid }),
    body: z.strictObject({ tree }),
    responses: { 200: tree },
  }),
  secret: defineRoute({
    method: 'GET',
    path: '/hidden',
    summary: 'x',
    access: 'public',
    hidden: true,
    responses: { 204: null },
  }),
}

type Node = { [key: string]: unknown }
const refsIn = (node: unknown): string[] => {
  if (typeof node !== 'object' || node === null) return []
  return Object.entries(node).flatMap(([key, value]) => (key === '$ref' ? [String(value)] : refsIn(value)))
}
const lookUp = (document: unknown, ref: string): unknown =>
  ref
    .slice(2)
    .split('/')
    .reduce((node: unknown, step) => (node as Node | undefined)?.[step], document)

describe('the OpenAPI document', () => {
  const document = JSON.parse(JSON.stringify(buildOpenApi({ service: 'books', routes, errors })))

  test('every reference leads somewhere, and no keyword of a bare JSON Schema is left', () => {
    const refs = refsIn(document)
    expect(refs.length).toBeGreaterThan(5)
    for (const ref of refs) {
      expect(ref).toMatch(/^#\/components\/schemas\//)
      expect(lookUp(document, ref), ref).toBeDefined()
    }
    expect(JSON.stringify(document)).not.toMatch(/"\$schema"|"\$defs"|"\$id"/)
    for (const name of Object.keys(document.components.schemas)) expect(name).toMatch(/^[A-Za-z0-9._-]+$/)
  })

  test('paths have braces, their parameters are declared, ids of operations are unique', () => {
    expect(Object.keys(document.paths)).toEqual(['/books', '/books/{id}/address'])
    const move = document.paths['/books/{id}/address'].put
    expect(move.parameters).toMatchObject([
      { name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } },
      { name: 'Idempotency-Key', in: 'header', required: true },
    ])
    expect(document.paths['/books/{id}/address'].post.operationId).toBe('books.post')
  })

  test('queries: what is optional, defaulted and required', () => {
    const parameters: { name: string; required: boolean; schema: Node }[] = document.paths['/books'].get.parameters
    expect(parameters.map(({ name, required }) => [name, required])).toEqual([
      ['limit', false],
      ['cursor', false],
      ['author', false],
      ['from', true],
    ])
    expect(parameters[0]?.schema).toMatchObject({ type: 'integer', minimum: 1, maximum: 100, default: 20 })
  })

  test('access, permission, errors by status with their codes', () => {
    const move = document.paths['/books/{id}/address'].put
    expect(move.security).toEqual([{ bearer: [] }])
    expect(move.description).toContain('`books:write`')
    expect(document.paths['/books/{id}/address'].post.security).toEqual([])
    expect(document.components.securitySchemes.bearer).toMatchObject({ type: 'http', scheme: 'bearer' })
    expect(Object.keys(move.responses)).toEqual(
      expect.arrayContaining(['200', '204', '400', '401', '403', '404', '409', '413', '415', '422', '500', '503']),
    )
    const conflict = move.responses['409'].content['application/problem+json'].schema
    expect(conflict.allOf[1].properties.code.enum).toEqual(['shelf_full', 'request_in_progress'])
    expect(move.responses['204'].content).toBeUndefined()
    for (const response of Object.values<Node>(move.responses)) expect(response.description).toEqual(expect.any(String))
  })

  test('bodies are closed', () => {
    const schema = document.paths['/books/{id}/address'].put.requestBody.content['application/json'].schema
    expect(schema).toMatchObject({ additionalProperties: false, required: ['amount', 'title'] })
  })

  test('documents merge; what contradicts itself does not', () => {
    const other = buildOpenApi({
      service: 'shelves',
      errors,
      routes: {
        one: defineRoute({
          method: 'GET',
          path: '/shelves',
          summary: 'x',
          access: 'public',
          responses: { 200: address },
        }),
      },
    })
    const merged = mergeOpenApi({ title: 'All', version: '1' }, [document, JSON.parse(JSON.stringify(other))])
    expect(Object.keys(merged.paths)).toEqual(['/books', '/books/{id}/address', '/shelves'])
    expect(merged.tags).toEqual([{ name: 'books' }, { name: 'shelves' }])
    for (const ref of refsIn(merged)) expect(lookUp(merged, ref), ref).toBeDefined()
    expect(() => mergeOpenApi({ title: 'All', version: '1' }, [document, document])).toThrow(/described twice/)
  })

  test('input and output forms of one schema get names of their own', () => {
    const both = buildOpenApi({
      service: 'x',
      errors,
      routes: {
        a: defineRoute({
          method: 'POST',
          path: '/a',
          summary: 'x',
          access: 'public',
          body: z.strictObject({ at: z.strictObject({ country: z.string().default('DE') }).meta({ id: 'Place' }) }),
          responses: {
            200: z.object({ at: z.strictObject({ country: z.string().default('DE') }).meta({ id: 'Place2' }) }),
          },
        }),
        b: defineRoute({
          method: 'GET',
          path: '/b',
          summary: 'x',
          access: 'public',
          responses: { 200: z.object({ x: z.array(address) }) },
        }),
        c: defineRoute({
          method: 'PUT',
          path: '/c',
          summary: 'x',
          access: 'public',
          body: z.strictObject({ x: address.strict().meta({ id: 'Address' }) }),
          responses: { 204: null },
        }),
      },
    })
    const names = Object.keys(both.components.schemas ?? {})
    expect(names).toEqual(expect.arrayContaining(['Address', 'Address2']))
    for (const ref of refsIn(both)) expect(lookUp(both, ref), ref).toBeDefined()
  })
})
