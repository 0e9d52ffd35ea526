import { defineSettings, type SettingsOf } from '@ashlar/platform/config'
import { z } from 'zod'
import { parseSender } from './domain/address.ts'

const whole = (min: number, max: number, fallback: number) =>
  z.coerce.number().int().min(min).max(max).default(fallback)

const isMailUrl = (text: string): boolean =>
  text === 'mailbox:' || (/^smtps?:\/\//.test(text) && URL.parse(text)?.hostname !== '' && URL.canParse(text))

export const notificationsSettings = defineSettings('notifications', {
  mailUrl: {
    variable: 'ASHLAR_MAIL_URL',
    schema: z
      .string()
      .refine(isMailUrl, 'must be mailbox:, smtp://[user:password@]host[:port] or smtps://…')
      .default('mailbox:'),
    description:
      'Where mails go: `mailbox:` keeps them and shows them at /dev/mailbox, `smtp://` (STARTTLS where offered, always with `?tls=required`) or `smtps://` hands them to a mail server.',
    secret: true,
    production: (url) => (url === 'mailbox:' ? 'the mailbox is for development: name a mail server' : undefined),
    example: 'mailbox:',
  },
  mailFrom: {
    variable: 'ASHLAR_MAIL_FROM',
    schema: z
      .string()
      .refine((text) => parseSender(text) !== undefined, 'must be one address, as in `Shop <no-reply@shop.example>`')
      .default('Ashlar <no-reply@localhost>'),
    description: 'Sender of every mail, a bare address or `Name <address>`; its domain also ends each Message-ID.',
    production: (text) => (/@localhost>?$/.test(String(text)) ? 'the sender needs a domain that exists' : undefined),
  },
  productName: {
    variable: 'ASHLAR_NOTIFICATIONS_PRODUCT_NAME',
    schema: z.string().trim().min(1).max(60).default('Ashlar'),
    description: 'How mails call this installation.',
  },
  urgentSenders: {
    variable: 'ASHLAR_NOTIFICATIONS_URGENT_SENDERS',
    schema: whole(1, 50, 3),
    description: 'Codes, links and security alerts handed over at once; nothing else uses these senders.',
  },
  senders: {
    variable: 'ASHLAR_NOTIFICATIONS_SENDERS',
    schema: whole(1, 50, 5),
    description: 'Other messages handed over at once.',
  },
  pollMs: {
    variable: 'ASHLAR_NOTIFICATIONS_POLL_MS',
    schema: whole(10, 60_000, 500),
    description: 'How often due messages are looked for when nothing tells of one, in milliseconds.',
  },
  settleMs: {
    variable: 'ASHLAR_NOTIFICATIONS_SETTLE_MS',
    schema: whole(10, 60_000, 1_000),
    description: 'How often claims of processes that are gone are settled, in milliseconds.',
  },
  retryHours: {
    variable: 'ASHLAR_NOTIFICATIONS_RETRY_HOURS',
    schema: whole(1, 120, 24),
    description: 'How long a message is tried again that the mail server put off, in hours.',
  },
  rateSeconds: {
    variable: 'ASHLAR_NOTIFICATIONS_RATE_SECONDS',
    schema: whole(0, 86_400, 60),
    description:
      'Shortest time between two messages of one template to one address, in seconds; 0 for none. Codes, links and security alerts pass.',
  },
  rateWaiting: {
    variable: 'ASHLAR_NOTIFICATIONS_RATE_WAITING',
    schema: whole(0, 10_000, 20),
    description: 'Messages of one template that may wait for one address; further ones are suppressed.',
  },
  statsDays: {
    variable: 'ASHLAR_NOTIFICATIONS_STATS_DAYS',
    schema: whole(1, 366, 31),
    description: 'Longest range of statistics, in days.',
  },
  inboxRetentionDays: {
    variable: 'ASHLAR_NOTIFICATIONS_INBOX_RETENTION_DAYS',
    schema: whole(8, 365, 30),
    description: 'How long it is remembered which events were handled, in days.',
  },
  idempotencyHours: {
    variable: 'ASHLAR_NOTIFICATIONS_IDEMPOTENCY_HOURS',
    schema: whole(72, 8_760, 72),
    description: 'How long an Idempotency-Key and its answer are kept, in hours.',
  },
  cachedTemplates: {
    variable: 'ASHLAR_NOTIFICATIONS_CACHED_TEMPLATES',
    schema: whole(10, 10_000, 200),
    description: 'Compiled versions of templates that are kept in memory.',
  },
  bodyRetentionDays: {
    variable: 'ASHLAR_NOTIFICATIONS_BODY_RETENTION_DAYS',
    schema: whole(1, 365, 30),
    description: 'How long the sealed contents of messages are kept, in days.',
  },
  connectTimeoutMs: {
    variable: 'ASHLAR_NOTIFICATIONS_SMTP_CONNECT_TIMEOUT_MS',
    schema: whole(100, 60_000, 10_000),
    description: 'Longest time until a mail server greeted, TLS included, in milliseconds.',
  },
  socketTimeoutMs: {
    variable: 'ASHLAR_NOTIFICATIONS_SMTP_SOCKET_TIMEOUT_MS',
    schema: whole(100, 600_000, 60_000),
    description: 'Longest silence of a mail server, in milliseconds.',
  },
  sendTimeoutMs: {
    variable: 'ASHLAR_NOTIFICATIONS_SEND_TIMEOUT_MS',
    schema: whole(100, 900_000, 120_000),
    description: 'Longest time for handing one message over, in milliseconds.',
  },
  renderTimeoutMs: {
    variable: 'ASHLAR_NOTIFICATIONS_RENDER_TIMEOUT_MS',
    schema: whole(10, 5_000, 200),
    description: 'Longest time for rendering one message from a template of your own, in milliseconds.',
  },
  renderedBytes: {
    variable: 'ASHLAR_NOTIFICATIONS_RENDERED_BYTES',
    schema: whole(4_096, 10_485_760, 262_144),
    description: 'Most bytes of one rendered message.',
  },
})

export type NotificationsSettings = SettingsOf<typeof notificationsSettings>
