import { defineSettings, type SettingsOf } from '@ashlar/platform/config'
import { z } from 'zod'

const integer = (min: number, max: number, fallback: number) =>
  z.coerce.number().int().min(min).max(max).default(fallback)

const percent = (fallback: number) => integer(1, 100, fallback)

export const auditSettings = defineSettings('audit', {
  checkpointEntries: {
    variable: 'ASHLAR_AUDIT_CHECKPOINT_ENTRIES',
    schema: integer(1, 10_000, 1000),
    description: 'Entries of a chain after which a checkpoint is signed at once.',
  },
  checkpointMs: {
    variable: 'ASHLAR_AUDIT_CHECKPOINT_MS',
    schema: integer(10, 60_000, 1000),
    description: 'Longest time that an entry waits for its checkpoint, in milliseconds.',
  },
  batchRows: {
    variable: 'ASHLAR_AUDIT_BATCH_ROWS',
    schema: integer(1, 4000, 500),
    description: 'Changes that are stored in one transaction at most.',
  },
  readyLagSeconds: {
    variable: 'ASHLAR_AUDIT_READY_LAG_SECONDS',
    schema: integer(1, 3600, 30),
    description: 'The service is not ready while its oldest unstored change is older than this, in seconds.',
  },
  silentSeconds: {
    variable: 'ASHLAR_AUDIT_SILENT_SECONDS',
    schema: integer(5, 600, 30),
    description: 'A change stream on which nothing was heard for this long is opened anew, in seconds.',
  },
  probeSeconds: {
    variable: 'ASHLAR_AUDIT_PROBE_SECONDS',
    schema: integer(1, 300, 5),
    description: 'How often the log that is kept for each source is measured, in seconds.',
  },
  retryMaxMs: {
    variable: 'ASHLAR_AUDIT_RETRY_MAX_MS',
    schema: integer(100, 60_000, 5000),
    description: 'Longest pause before a lost source is tried again, in milliseconds.',
  },
  maxValuesBytes: {
    variable: 'ASHLAR_AUDIT_MAX_VALUES_BYTES',
    schema: integer(4096, 16_777_216, 1_048_576),
    description:
      'Longest JSON of the values before or after a change; the longest values of a larger one are stored as digest and length.',
  },
  alarmPercent: {
    variable: 'ASHLAR_AUDIT_ALARM_PERCENT',
    schema: percent(50),
    description: 'Part of max_slot_wal_keep_size that a reader may leave unread before the first alarm, in percent.',
  },
  alarmHighPercent: {
    variable: 'ASHLAR_AUDIT_ALARM_HIGH_PERCENT',
    schema: percent(80),
    description: 'The same for the second alarm, in percent.',
  },
  strict: {
    variable: 'ASHLAR_AUDIT_STRICT',
    schema: z
      .enum(['true', 'false'])
      .default('false')
      .transform((text) => text === 'true'),
    description: 'Writes are answered 503 rather than that their audit entries could be lost.',
  },
  strictPercent: {
    variable: 'ASHLAR_AUDIT_STRICT_PERCENT',
    schema: percent(95),
    description: 'Part of max_slot_wal_keep_size at which the strict mode refuses writes, in percent.',
  },
  keyCacheMs: {
    variable: 'ASHLAR_AUDIT_KEY_CACHE_MS',
    schema: integer(0, 1000, 1000),
    description: 'How long the key of a person may be used after it was read, in milliseconds.',
  },
  monthsAhead: {
    variable: 'ASHLAR_AUDIT_MONTHS_AHEAD',
    schema: integer(0, 24, 2),
    description: 'Monthly partitions of the trail that are made before their time.',
  },
  inboxDays: {
    variable: 'ASHLAR_AUDIT_INBOX_DAYS',
    schema: integer(8, 3650, 30),
    description: 'How long it is remembered which events were handled, in days.',
  },
  exportsAtOnce: {
    variable: 'ASHLAR_AUDIT_EXPORTS_AT_ONCE',
    schema: integer(1, 100, 4),
    description: 'Exports over HTTP that run at the same time; one more is answered 503.',
  },
})

export type AuditSettings = SettingsOf<typeof auditSettings>
