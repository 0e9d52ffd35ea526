import { expect, test } from 'vitest'
import { z } from 'zod'
import { testRuntime } from '../testing/index.ts'
import { defineEvent, toEnvelope } from './index.ts'

const opened = defineEvent('account.opened.v1', z.object({ name: z.string().nullable() }), {
  summary: 'An account was opened',
  subject: 'account id',
})

test('an envelope says who, when, and within which request and trace', () => {
  const runtime = testRuntime({ newId: () => '0199-id' })
  runtime.clock.set(new Date('2026-01-02T03:04:05.678Z'))
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'
  const envelope = runtime.as(
    () => toEnvelope(runtime, 'auth', opened.of({ subject: 'a1', sequence: 2, data: { name: 'Ann' } })),
    { type: 'user', id: 'u1' },
    { requestId: 'r1', traceparent },
  )
  expect(envelope).toEqual({
    specversion: '1.0',
    id: '0199-id',
    source: '/ashlar/default/auth',
    type: 'account.opened.v1',
    subject: 'a1',
    time: '2026-01-02T03:04:05.678Z',
    datacontenttype: 'application/json',
    dataschema: 'urn:ashlar:event:account.opened.v1',
    data: { name: 'Ann' },
    correlationid: 'r1',
    traceparent,
    sequence: 2,
    actor: 'user:u1',
  })
})

test('an event without a sequence omits it', () => {
  const runtime = testRuntime()
  const envelope = runtime.as(() => toEnvelope(runtime, 'auth', opened.of({ subject: 'a1', data: { name: null } })))
  expect('sequence' in envelope).toBe(false)
})

test('a reader gets the fields it knows, of the type it asked for', () => {
  const runtime = testRuntime()
  const envelope = runtime.as(() => toEnvelope(runtime, 'auth', opened.of({ subject: 'a1', data: { name: 'Ann' } })))
  expect(opened.read({ ...envelope, data: { name: 'Ann', fromTheFuture: true } })).toEqual({ name: 'Ann' })
  expect(() => opened.read({ ...envelope, type: 'account.closed.v1' })).toThrow('expected account.opened.v1')
  expect(() => opened.read({ ...envelope, data: {} })).toThrow()
})

test.each(['opened', 'account.opened', 'Account.opened.v1', 'account.opened.v0', 'account.opened.v1.x'])(
  '%s is not a type of event',
  (type) => {
    expect(() => defineEvent(type, z.object({}), { summary: '', subject: '' })).toThrow('not a type')
  },
)
