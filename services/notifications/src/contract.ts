import { defineErrors, defineRoute, pageOf, pageQuery, timeBound, timestamp, uuid } from '@ashlar/platform/contract'
import { z } from 'zod'

export const notificationsErrors = defineErrors({})

/** One line: a line break would begin a header of its own, and half a surrogate pair is no character. */
const isLine = (text: string): boolean => !/[\p{Cc}\u2028\u2029]/u.test(text) && text.isWellFormed()
const line = (max: number) => z.string().max(max).refine(isLine, 'must be one line, without control characters')
/** Several lines. NUL is the one character that the store cannot keep. */
const prose = z
  .string()
  .min(1)
  .max(100_000)
  .refine((text) => !text.includes('\0') && text.isWellFormed(), 'must not contain NUL or broken characters')

const templateName = z
  .string()
  .max(64)
  .regex(/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/, 'must be words of lower-case letters and digits, joined by hyphens')
const address = line(320).min(3).describe('Exactly one bare e-mail address')

const status = z.enum(['queued', 'sending', 'sent', 'failed', 'suppressed', 'unknown'])
const counts = z.record(status, z.int())

const notification = z.object({
  id: uuid,
  template: z.string(),
  templateVersion: z.int(),
  channel: z.literal('email'),
  userId: uuid.nullable(),
  to: z.string().nullable().describe('Null once the contents were dropped or erased'),
  status,
  reason: z.string().nullable(),
  attempts: z.int(),
  createdAt: timestamp,
  nextAttemptAt: timestamp.nullable().describe('While it is queued'),
  settledAt: timestamp.nullable(),
})
export type NotificationOnTheWire = z.infer<typeof notification>

const step = z.object({
  at: timestamp,
  event: z.enum([
    'queued',
    'attempt',
    'handed_over',
    'sent',
    'failed',
    'deferred',
    'suppressed',
    'unknown',
    'requeued',
    'resent',
  ]),
  attempt: z.int().nullable(),
  reason: z.string().nullable(),
})

const need = z.enum(['required', 'optional'])
const templateHead = z.object({
  name: z.string(),
  version: z.int(),
  origin: z.enum(['built-in', 'own']),
  subject: z.string(),
  variables: z
    .record(z.string(), need)
    .describe('What has to be, and what may be, given at `POST /notifications/send`'),
  createdAt: timestamp,
})
const template = templateHead.extend({ html: z.string(), text: z.string() })
export type TemplateOnTheWire = z.infer<typeof template>

const suppression = z.object({
  id: uuid,
  address: z.string().nullable().describe('Null once the person was erased; the suppression holds all the same'),
  reason: z.string().nullable(),
  source: z.enum(['bounce', 'operator']),
  createdAt: timestamp,
})
export type SuppressionOnTheWire = z.infer<typeof suppression>

const seconds = z.number().nullable()

export const notificationsRoutes = {
  send: defineRoute({
    method: 'POST',
    path: '/notifications/send',
    summary: 'Queue one mail from a template to one address',
    access: { permission: 'notifications:send' },
    body: z.object({
      template: templateName,
      to: address,
      variables: z
        .record(z.string().max(64), line(2_000).nullable())
        .refine((given) => Object.keys(given).length <= 50, 'at most 50 variables'),
    }),
    idempotency: 'transaction',
    responses: { 202: z.object({ id: uuid, status: z.enum(['queued', 'suppressed']) }) },
    errors: ['validation_failed'],
  }),
  listNotifications: defineRoute({
    method: 'GET',
    path: '/notifications',
    summary: 'List own messages, or all with notifications:read; newest first',
    access: 'user',
    query: pageQuery({
      status: status.optional(),
      template: templateName.optional(),
      recipient: address.optional(),
      userId: uuid.optional(),
      from: timeBound.optional().describe('Queued at or after'),
      to: timeBound.optional().describe('Queued before'),
    }),
    responses: { 200: pageOf(notification) },
    errors: [],
  }),
  stats: defineRoute({
    method: 'GET',
    path: '/notifications/stats',
    summary: 'Messages by status, template and day, and how long they took; by default of the last 7 days',
    access: { permission: 'notifications:read' },
    query: z.object({ from: timeBound.optional(), to: timeBound.optional() }),
    responses: {
      200: z.object({
        from: timestamp,
        to: timestamp,
        total: z.int(),
        byStatus: counts,
        byTemplate: z.array(z.object({ template: z.string(), total: z.int(), byStatus: counts })),
        byDay: z.array(z.object({ day: z.iso.date(), total: z.int(), byStatus: counts })),
        latencySeconds: z
          .object({ p50: seconds, p95: seconds, p99: seconds })
          .describe('From queued to sent; null where nothing was sent'),
      }),
    },
    errors: ['validation_failed'],
  }),
  listSuppressions: defineRoute({
    method: 'GET',
    path: '/notifications/suppressions',
    summary: 'List the addresses that get no mail; newest first',
    access: { permission: 'notifications:suppress' },
    query: pageQuery({ address: address.optional() }),
    responses: { 200: pageOf(suppression) },
    errors: [],
  }),
  suppress: defineRoute({
    method: 'POST',
    path: '/notifications/suppressions',
    summary: 'Send nothing to an address any more; what is queued for it is suppressed',
    access: { permission: 'notifications:suppress' },
    body: z.object({ address, reason: line(200).min(1).optional() }),
    responses: { 201: suppression },
    errors: ['validation_failed'],
  }),
  unsuppress: defineRoute({
    method: 'DELETE',
    path: '/notifications/suppressions',
    summary: 'Send to an address again',
    access: { permission: 'notifications:suppress' },
    query: z.object({ address }),
    responses: { 204: null },
    errors: [],
  }),
  listTemplates: defineRoute({
    method: 'GET',
    path: '/notifications/templates',
    summary: 'List the newest version of each template, by name',
    access: { permission: 'templates:write' },
    query: pageQuery(),
    responses: { 200: pageOf(templateHead) },
    errors: [],
  }),
  getTemplate: defineRoute({
    method: 'GET',
    path: '/notifications/templates/:name',
    summary: 'Read a template: its newest version, or the one that is asked for',
    access: { permission: 'templates:write' },
    params: z.object({ name: templateName }),
    query: z.object({ version: z.coerce.number().int().min(1).max(2_147_483_647).optional() }),
    responses: { 200: template },
    errors: ['not_found'],
  }),
  saveTemplate: defineRoute({
    method: 'PUT',
    path: '/notifications/templates/:name',
    summary:
      'Make the next version of a template, or the first one of a new name; messages that are queued keep theirs',
    access: { permission: 'templates:write' },
    params: z.object({ name: templateName }),
    body: z.object({ subject: line(500).min(1), html: prose, text: prose }),
    responses: { 200: template },
    errors: ['validation_failed', 'precondition_failed'],
  }),
  getNotification: defineRoute({
    method: 'GET',
    path: '/notifications/:id',
    summary: 'Read a message with its timeline, oldest step first',
    access: 'user',
    params: z.object({ id: uuid }),
    responses: { 200: notification.extend({ timeline: z.array(step) }) },
    errors: ['not_found'],
  }),
} as const
