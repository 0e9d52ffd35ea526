import { defineSettings, type SettingsOf } from '@ashlar/platform/config'
import { z } from 'zod'

const integer = (min: number, max: number, fallback: number) =>
  z.coerce.number().int().min(min).max(max).default(fallback)

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
    schema: integer(1, 4000, 1000),
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
})

export type AuditSettings = SettingsOf<typeof auditSettings>
