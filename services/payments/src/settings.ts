import { defineSettings, type SettingsOf } from '@ashlar/platform/config'
import { z } from 'zod'

const milliseconds = (min: number, max: number, fallback: number) =>
  z.coerce.number().int().min(min).max(max).default(fallback)

export const paymentsSettings = defineSettings('payments', {
  providerTimeoutMs: {
    variable: 'ASHLAR_PAYMENTS_PROVIDER_TIMEOUT_MS',
    schema: milliseconds(100, 20_000, 10_000),
    description: 'Longest time that one call to the payment provider may take, in milliseconds.',
  },
  voidAfterSeconds: {
    variable: 'ASHLAR_PAYMENTS_VOID_AFTER_SECONDS',
    schema: z.coerce.number().int().min(1).max(240).default(60),
    description:
      'How long beyond the time limit of a call an attempt that the provider does not know is repeated before it is voided, in seconds.',
  },
  reconcileFirstLookMs: {
    variable: 'ASHLAR_PAYMENTS_RECONCILE_FIRST_LOOK_MS',
    schema: milliseconds(10, 60_000, 2_000),
    description:
      'Pause before the provider is first asked about an attempt without an end, in milliseconds; doubles with each look.',
  },
  reconcileMaxLookMs: {
    variable: 'ASHLAR_PAYMENTS_RECONCILE_MAX_LOOK_MS',
    schema: milliseconds(100, 120_000, 15_000),
    description: 'Longest pause between two such looks, in milliseconds.',
  },
  databaseConnections: {
    variable: 'ASHLAR_PAYMENTS_DATABASE_CONNECTIONS',
    schema: z.coerce.number().int().min(2).max(200).default(10),
    description: 'Most connections of payments to its database.',
  },
  idempotencyHours: {
    variable: 'ASHLAR_PAYMENTS_IDEMPOTENCY_HOURS',
    schema: z.coerce.number().int().min(72).max(8_760).default(72),
    description: 'How long the answer to an idempotency key is kept, in hours.',
  },
  reconcilePollMs: {
    variable: 'ASHLAR_PAYMENTS_RECONCILE_POLL_MS',
    schema: milliseconds(10, 60_000, 1_000),
    description: 'How often due looks are searched for, in milliseconds.',
  },
  sandboxWebhookSecret: {
    variable: 'ASHLAR_SANDBOX_WEBHOOK_SECRET',
    schema: z.string().min(16).max(512).optional(),
    description: 'The secret that signs the webhooks of the sandbox provider; 16 characters at least.',
    secret: true,
    defaultText: 'derived from the master key',
    production: (secret) =>
      secret !== undefined && (secret.length < 32 || new Set(secret).size < 10) ? 'it is weak' : undefined,
  },
  webhookToleranceSeconds: {
    variable: 'ASHLAR_PAYMENTS_WEBHOOK_TOLERANCE_SECONDS',
    schema: z.coerce.number().int().min(1).max(3_600).default(300),
    description: 'How far the time of a webhook may be from ours, either way, in seconds.',
  },
  providerEventDays: {
    variable: 'ASHLAR_PAYMENTS_PROVIDER_EVENT_DAYS',
    schema: z.coerce.number().int().min(1).max(365).default(30),
    description: 'How long it is remembered which webhooks had an effect, in days.',
  },
})

export type PaymentsSettings = SettingsOf<typeof paymentsSettings>
