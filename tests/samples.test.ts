import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { auditRoutes } from '@ashlar/audit/contract'
import { authEvents, authRoutes } from '@ashlar/auth/contract'
import { gatewayRoutes } from '@ashlar/gateway/contract'
import { notificationsRoutes } from '@ashlar/notifications/contract'
import { paymentsEvents, paymentsRoutes } from '@ashlar/payments/contract'
import { deadLetterDiscarded } from '@ashlar/platform/bus'
import type { Routes } from '@ashlar/platform/contract'
import type { Envelope } from '@ashlar/platform/events'
import { expect, test } from 'vitest'
import { root } from './support/instance.ts'

const samples = (folder: string): string[] => readdirSync(join(root, 'samples', folder)).sort()

const read = (folder: string, name: string): unknown =>
  JSON.parse(readFileSync(join(root, 'samples', folder, `${name}.json`), 'utf8'))

const routes: Record<string, Routes> = {
  gateway: gatewayRoutes,
  auth: authRoutes,
  payments: paymentsRoutes,
  notifications: notificationsRoutes,
  audit: auditRoutes,
}
const bodies = Object.entries(routes).flatMap(([service, table]) =>
  Object.entries(table).flatMap(([name, { body }]) => (body ? [{ name: `${service}.${name}`, body }] : [])),
)
const events = [...authEvents, ...paymentsEvents, deadLetterDiscarded]

test('there is a sample of every request with a body and of every event, and no other', () => {
  expect(samples('requests')).toEqual(bodies.map(({ name }) => `${name}.json`).sort())
  expect(samples('events')).toEqual(events.map(({ type }) => `${type}.json`).sort())
})

test.each(bodies)('the sample of $name is what its contract takes', ({ name, body }) => {
  const sample = read('requests', name) as object
  expect(Object.keys(body.parse(sample) as object).sort()).toEqual(Object.keys(sample).sort())
})

test.each(events)('the sample of $type is what its contract tells', ({ type, data }) => {
  const envelope = read('events', type) as Envelope
  expect(envelope.type).toBe(type)
  expect(data.parse(envelope.data)).toEqual(envelope.data)
})
