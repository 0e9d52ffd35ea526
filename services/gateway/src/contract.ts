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
