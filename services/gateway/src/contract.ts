import { content, defineErrors, defineRoute, timestamp, uuid } from '@ashlar/platform/contract'
import { z } from 'zod'

/** What the gateway itself refuses with, before or instead of a service. */
export const gatewayErrors = defineErrors({
  request_malformed: { status: 400, title: 'The request is not well-formed HTTP' },
  host_unknown: { status: 421, title: 'This host is not served here' },
})

export type GatewayCode = keyof typeof gatewayErrors

const html = content('text/html; charset=utf-8')

const serviceHealth = z.object({
  status: z.enum(['ok', 'degraded']),
  service: z.string(),
  dependencies: z.record(z.string(), z.object({ status: z.enum(['up', 'down']), latencyMs: z.number() })),
})

export const mailboxMessage = z.object({
  id: z.string(),
  notificationId: z.string(),
  template: z.string(),
  to: z.string(),
  from: z.string(),
  subject: z.string(),
  text: z.string(),
  html: z.string(),
  headers: z.record(z.string(), z.string()).describe('names in lower case'),
  links: z.array(z.string()),
  handOvers: z.int().describe('How often a mailer was given this message.'),
  sentAt: timestamp,
})

export const sandboxCharge = z.object({
  attemptId: z.string(),
  transactionId: z.string(),
  kind: z.enum(['charge', 'refund', 'void']),
  amount: z.string(),
  currency: z.string(),
  outcome: z.enum(['succeeded', 'declined', 'voided']),
  receivedCount: z.int(),
  at: timestamp,
})

/** What browsers send when something broke a content security policy: the older form, and that of the Reporting API. */
const cspReport = z.union([
  z.object({ 'csp-report': z.looseObject({}) }),
  z.array(z.object({ type: z.string().max(100), body: z.looseObject({}).optional() })).max(100),
])

/** Served everywhere. */
export const gatewayRoutes = {
  home: defineRoute({
    method: 'GET',
    path: '/',
    summary: 'Where to go',
    access: 'public',
    responses: { 200: html },
    hidden: true,
  }),
  serviceHealth: defineRoute({
    method: 'GET',
    path: '/health/:service',
    summary: 'Health of one service and its dependencies',
    access: 'public',
    params: z.object({ service: z.enum(['auth', 'payments', 'notifications', 'audit']) }),
    responses: { 200: serviceHealth, 503: serviceHealth },
  }),
  cspReport: defineRoute({
    method: 'POST',
    path: '/csp-report',
    summary: 'Takes what browsers report of the content security policy',
    description: 'Also as `/csp-report/`. Counted and logged in a few bounded fields.',
    access: 'public',
    body: cspReport,
    consumes: ['application/csp-report', 'application/reports+json'],
    unknownFields: 'ignore',
    responses: { 204: null },
    limits: [{ name: 'csp-report', quota: 60, windowSeconds: 60, by: 'address' }],
  }),
}

const ready = z.object({ status: z.literal('ok') })
const unready = z.object({ status: z.enum(['unready', 'starting']), reason: z.string() })
const health = serviceHealth.extend({ services: z.record(z.string(), serviceHealth) })

/** What each server has without being told to, as the gateway answers it: for the OpenAPI document alone. */
export const operationalRoutes = {
  livez: defineRoute({
    method: 'GET',
    path: '/livez',
    summary: 'Whether the process answers',
    access: 'public',
    responses: { 200: ready },
  }),
  readyz: defineRoute({
    method: 'GET',
    path: '/readyz',
    summary: 'Whether it should get traffic now',
    access: 'public',
    responses: { 200: ready, 503: unready },
  }),
  startupz: defineRoute({
    method: 'GET',
    path: '/startupz',
    summary: 'Whether it was ready once',
    access: 'public',
    responses: { 200: ready, 503: unready },
  }),
  health: defineRoute({
    method: 'GET',
    path: '/health',
    summary: 'Health of every service and its dependencies',
    access: 'public',
    responses: { 200: health, 503: health },
  }),
  metrics: defineRoute({
    method: 'GET',
    path: '/metrics',
    summary: 'Metrics of all services in the text format of Prometheus; not public in production',
    access: 'public',
    responses: { 200: content('text/plain; version=0.0.4; charset=utf-8') },
    errors: ['not_found'],
  }),
}

/** Served in development and test, to callers on the same machine. */
export const devRoutes = {
  mailboxPage: defineRoute({
    method: 'GET',
    path: '/dev/mailbox',
    summary: 'The mailbox as a page',
    access: 'public',
    query: z.object({ to: z.string().max(320).optional() }),
    responses: { 200: html },
    hidden: true,
  }),
  mailboxMessages: defineRoute({
    method: 'GET',
    path: '/dev/mailbox/messages',
    summary: 'Mails that the development mailbox took, newest first',
    access: 'public',
    query: z.object({ to: z.string().max(320).optional(), limit: z.coerce.number().int().min(1).max(100).default(20) }),
    responses: { 200: z.object({ data: z.array(mailboxMessage) }) },
  }),
  sandboxCharges: defineRoute({
    method: 'GET',
    path: '/dev/sandbox/charges',
    summary: 'What the sandbox payment provider itself recorded',
    access: 'public',
    query: z.object({ transactionId: uuid }),
    responses: { 200: z.object({ data: z.array(sandboxCharge) }) },
  }),
}
