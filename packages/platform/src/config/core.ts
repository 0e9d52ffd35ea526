import { resolve } from 'node:path'
import { z } from 'zod'
import { defineSettings, type SettingsOf } from './settings.ts'

const databaseUrl = (what: string, variable: `ASHLAR_${string}`) =>
  ({
    variable,
    schema: z
      .string()
      .refine(
        (text) => /^postgres(?:ql)?:\/\//.test(text) && URL.canParse(text),
        'must be postgres://user:password@host:port/database',
      )
      .optional(),
    description: `The PostgreSQL database of ${what}. Set all of them or none: without them Ashlar runs its own PostgreSQL.`,
    secret: true,
    production: (url: string | undefined) =>
      url !== undefined && isExamplePassword(new URL(url).password) ? 'its password is weak or an example' : undefined,
    defaultText: 'the embedded PostgreSQL',
  }) as const

const days = (standard: number) =>
  z.coerce
    .number('must be a number of days')
    .int('must be a whole number of days')
    .min(1, 'must be at least 1')
    .max(3_650, 'must be at most 3650')
    .default(standard)

/** Passwords that stand in examples everywhere, and those that are nearly none. */
export const isExamplePassword = (password: string): boolean =>
  password.length < 8 ||
  /^(?:change[-_ ]?me|password|secret|example|postgres|ashlar|admin|test|0+|1234)/i.test(decodeURIComponent(password))

const keyBytes = (text: string): Buffer => Buffer.from(text, /^[0-9a-f]{64}$/i.test(text) ? 'hex' : 'base64')

/** The settings that belong to the program as a whole. */
export const coreSettings = defineSettings('core', {
  environment: {
    variable: 'ASHLAR_ENV',
    schema: z
      .enum(['development', 'test', 'production'], 'must be development, test or production')
      .default('development'),
    description: 'development, test or production. Production refuses weak secrets and development parts.',
  },
  host: {
    variable: 'ASHLAR_HOST',
    schema: z.string().min(1).optional(),
    description: 'The address to listen on.',
    defaultText: '127.0.0.1; 0.0.0.0 in production',
  },
  port: {
    variable: 'ASHLAR_PORT',
    schema: z.coerce.number('must be a port number').int('must be a port number').min(0).max(65_535).default(3000),
    description: 'The port of the gateway.',
  },
  publicUrl: {
    variable: 'ASHLAR_PUBLIC_URL',
    schema: z
      .string()
      .refine((text) => isOrigin(text), 'must be http:// or https:// with a host, without query and fragment')
      .transform((text) => text.replace(/\/+$/, ''))
      .optional(),
    description: 'Where people reach the gateway; links in mails begin with it.',
    defaultText: 'http://localhost:<ASHLAR_PORT>',
    production: (url) => (url?.startsWith('http://') && !isLoopback(url) ? 'must be https://' : undefined),
    example: 'https://api.example.com',
  },
  dataDir: {
    variable: 'ASHLAR_DATA_DIR',
    schema: z
      .string()
      .min(1)
      .default('./.ashlar')
      .transform((path) => resolve(path)),
    description: 'The directory of the embedded PostgreSQL, the keys and the checkpoints.',
  },
  logLevel: {
    variable: 'ASHLAR_LOG_LEVEL',
    schema: z.enum(['error', 'warn', 'info', 'debug'], 'must be error, warn, info or debug').default('info'),
    description: 'The least important lines that are logged: error, warn, info or debug.',
  },
  logDir: {
    variable: 'ASHLAR_LOG_DIR',
    schema: z
      .string()
      .min(1)
      .transform((path) => resolve(path))
      .optional(),
    description:
      'A folder for combined.log and error.log, put aside daily; a relative path begins where the program is started. Standard output has all lines in any case.',
    defaultText: 'no files',
    example: './logs',
  },
  logDays: {
    variable: 'ASHLAR_LOG_DAYS',
    schema: days(30),
    description: 'How many days of log files are kept.',
  },
  busRetentionDays: {
    variable: 'ASHLAR_BUS_RETENTION_DAYS',
    schema: days(7),
    description: 'How long the bus keeps events after its slowest subscription has handled them.',
  },
  installation: {
    variable: 'ASHLAR_INSTALLATION',
    schema: z
      .string()
      .regex(/^[a-z][a-z0-9_]{0,20}$/, 'must be 1 to 21 of a-z, 0-9 and _, starting with a letter')
      .default('ashlar'),
    description: 'Begins the name of everything that this Ashlar owns on a shared server.',
  },
  masterKey: {
    variable: 'ASHLAR_MASTER_KEY',
    schema: z
      .string()
      .trim()
      .refine((text) => keyBytes(text).length === 32, 'must be 32 bytes in base64 or hex')
      .optional(),
    description: 'The key that protects all others: 32 bytes in base64 or hex.',
    secret: true,
    defaultText: 'made at the first start, kept in <data directory>/keys/master',
    // Of 32 random bytes hardly ever fewer than 24 differ; of a phrase or a pattern they do.
    production: (key) => (key !== undefined && new Set(keyBytes(key)).size < 20 ? 'it is not random' : undefined),
  },
  authDatabaseUrl: databaseUrl('auth', 'ASHLAR_AUTH_DATABASE_URL'),
  paymentsDatabaseUrl: databaseUrl('payments', 'ASHLAR_PAYMENTS_DATABASE_URL'),
  notificationsDatabaseUrl: databaseUrl('notifications', 'ASHLAR_NOTIFICATIONS_DATABASE_URL'),
  auditDatabaseUrl: databaseUrl('audit', 'ASHLAR_AUDIT_DATABASE_URL'),
  sandboxDatabaseUrl: databaseUrl('the sandbox provider', 'ASHLAR_SANDBOX_DATABASE_URL'),
  busUrl: databaseUrl('the bus', 'ASHLAR_BUS_URL'),
})

export type CoreSettings = SettingsOf<typeof coreSettings> & { host: string; publicUrl: string }

/** Fills in the defaults that depend on other settings. */
export const completeCore = (core: SettingsOf<typeof coreSettings>): CoreSettings => ({
  ...core,
  host: core.host ?? (core.environment === 'production' ? '0.0.0.0' : '127.0.0.1'),
  publicUrl: core.publicUrl ?? `http://localhost:${core.port}`,
})

const isOrigin = (text: string): boolean => {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  return (
    /^https?:$/.test(url.protocol) && url.search === '' && url.hash === '' && url.username === '' && url.password === ''
  )
}

const isLoopback = (url: string): boolean => /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(url).hostname)
