import { createRequire } from 'node:module'
import { Ajv } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { defineEvent, toEnvelope } from '../events/index.ts'
import { testRuntime } from '../testing/index.ts'
import { buildAsyncApi } from './index.ts'

const require = createRequire(import.meta.url)

const money = z.object({ amount: z.string(), currency: z.string() }).meta({ id: 'Money' })
const paid = defineEvent('order.paid.v1', z.object({ orderId: z.string(), price: money }), {
  summary: 'An order was paid',
  subject: 'order',
})
const shipped = defineEvent('order.shipped.v2', z.object({ orderId: z.string(), note: z.string().optional() }), {
  summary: 'An order left the house',
  subject: 'order',
})
const build = () =>
  buildAsyncApi({
    title: 'Shop',
    version: '1',
    services: [
      { name: 'orders', publishes: [paid, shipped] },
      { name: 'mail', subscribes: [{ name: 'mail.orders', types: [paid.type, shipped.type] }] },
    ],
  })

/** The form that the AsyncAPI initiative publishes for 3.0 documents. */
const specification = (): ((document: object) => string[]) => {
  const schema = require('@asyncapi/specs/schemas/3.0.0-without-$id.json') as object
  const ajv = new Ajv({ strict: false, allErrors: true, logger: false, validateFormats: true })
  addFormats.default(ajv)
  const validate = ajv.compile(schema)
  return (document) => (validate(document) ? [] : (validate.errors ?? []).map((e) => `${e.instancePath} ${e.message}`))
}

describe('the document', () => {
  const check = specification()

  test('is valid AsyncAPI 3.0', () => {
    expect(check(build())).toEqual([])
  })

  test.each([
    ['an unknown member', (document: object) => ({ ...document, chanels: {} })],
    ['no info', ({ info: _, ...document }: Record<string, unknown>) => document],
    ['an unknown action', (document: object) => ({ ...document, operations: { x: { action: 'shout' } } })],
  ])('and the check tells: %s', (_what, spoil) => {
    expect(check(spoil({ ...build() }))).not.toEqual([])
  })

  test('names who sends and who hears', () => {
    const { operations, channels } = build()
    expect(Object.keys(channels)).toEqual(['order.paid.v1', 'order.shipped.v2'])
    expect(Object.entries(operations).map(([name, { action, channel }]) => [name, action, channel.$ref])).toEqual([
      ['orders.send.order.paid.v1', 'send', '#/channels/order.paid.v1'],
      ['orders.send.order.shipped.v2', 'send', '#/channels/order.shipped.v2'],
      ['mail.orders.receive.order.paid.v1', 'receive', '#/channels/order.paid.v1'],
      ['mail.orders.receive.order.shipped.v2', 'receive', '#/channels/order.shipped.v2'],
    ])
  })

  test('every reference leads somewhere', () => {
    const document = build()
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(([, path = '']) => path)
    expect(references.length).toBeGreaterThan(8)
    for (const path of references) {
      const target = path
        .split('/')
        .reduce((node: unknown, step) => (node as Record<string, unknown>)?.[step], document)
      expect(target, path).toBeDefined()
    }
  })

  test('is the same each time', () => {
    expect(JSON.stringify(build())).toBe(JSON.stringify(build()))
  })
})

describe('the payload', () => {
  const { components } = build()
  const payload = (type: string) => {
    const ajv = new Ajv2020({ strict: false })
    addFormats.default(ajv)
    const { payload: schema } = components.messages[type] as { payload: object }
    return ajv.compile({ ...schema, components })
  }
  const runtime = testRuntime()
  const made = (data: { orderId: string; price: { amount: string; currency: string } }) =>
    runtime.as(() => toEnvelope(runtime, 'payments', paid.of({ subject: 'o1', sequence: 1, data })))
  const price = { amount: '1.00', currency: 'EUR' }

  test('fits what is really written, and what a later version adds', () => {
    const fits = payload('order.paid.v1')
    const event = made({ orderId: 'o1', price })
    expect(fits(event)).toBe(true)
    expect(fits({ ...event, later: 1, data: { ...(event.data as object), later: 1 } })).toBe(true)
  })

  test.each([
    ['another type', { type: 'order.shipped.v2' }],
    ['data that is not of this type', { data: { orderId: 1 } }],
    ['no data', { data: undefined }],
    ['a time in another zone', { time: '2026-01-01T00:00:00+01:00' }],
    ['an id that is none', { id: 'x' }],
    ['a trace that is none', { traceparent: 'x' }],
  ])('does not fit %s', (_what, change) => {
    const event = JSON.parse(JSON.stringify({ ...made({ orderId: 'o1', price }), ...change })) as object
    expect(payload('order.paid.v1')(event)).toBe(false)
  })
})

test('a type that two publish, and one that nobody publishes, are mistakes', () => {
  const both = [
    { name: 'a', publishes: [paid] },
    { name: 'b', publishes: [paid] },
  ]
  expect(() => buildAsyncApi({ title: 'x', version: '1', services: both })).toThrow('published by two services')
  const deaf = [{ name: 'a', subscribes: [{ name: 'a.x', types: ['order.paid.v1'] }] }]
  expect(() => buildAsyncApi({ title: 'x', version: '1', services: deaf })).toThrow('which nobody publishes')
})
