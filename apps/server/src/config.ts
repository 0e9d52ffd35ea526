import { auditSettings } from '@ashlar/audit'
import { authSettings } from '@ashlar/auth'
import { gatewaySettings } from '@ashlar/gateway'
import { notificationsSettings } from '@ashlar/notifications'
import { paymentsSettings } from '@ashlar/payments'
import {
  ConfigurationError,
  type CoreSettings,
  completeCore,
  coreSettings,
  loadSettings,
  type Setting,
  type SettingsOf,
} from '@ashlar/platform/config'
import type { DatabaseName } from '@ashlar/platform/runtime'

const groups = {
  core: coreSettings,
  gateway: gatewaySettings,
  auth: authSettings,
  payments: paymentsSettings,
  notifications: notificationsSettings,
  audit: auditSettings,
} as const

/** Every group of settings, in the order of the reference. */
export const SETTINGS = Object.values(groups)

type Groups = typeof groups

/** Everything that can be set, read and checked. */
export type Configuration = Omit<{ [K in keyof Groups]: SettingsOf<Groups[K]> }, 'core'> & {
  core: CoreSettings
  /** Where the databases are that somebody else runs; undefined for the embedded ones. */
  databaseUrls?: Record<DatabaseName, string>
}

/** Reads the configuration. Throws `ConfigurationError` with every mistake at once. */
export const loadConfiguration = (environment: NodeJS.ProcessEnv): Configuration => {
  const loaded = loadSettings({ groups, environment, directory: process.cwd() })
  const core = completeCore(loaded.core)
  return { ...loaded, core, databaseUrls: databaseUrlsOf(core) }
}

const databaseUrlsOf = (core: CoreSettings): Record<DatabaseName, string> | undefined => {
  const urls = {
    auth: core.authDatabaseUrl,
    payments: core.paymentsDatabaseUrl,
    notifications: core.notificationsDatabaseUrl,
    audit: core.auditDatabaseUrl,
    sandbox: core.sandboxDatabaseUrl,
    bus: core.busUrl,
  }
  const missing = Object.entries(urls).filter(([, url]) => url === undefined)
  if (missing.length === Object.keys(urls).length) return undefined
  if (missing.length > 0) {
    const variable = (name: string): string =>
      name === 'bus' ? 'ASHLAR_BUS_URL' : `ASHLAR_${name.toUpperCase()}_DATABASE_URL`
    throw new ConfigurationError(missing.map(([name]) => `${variable(name)}: set all databases or none`))
  }
  return urls as Record<DatabaseName, string>
}

/** Each variable with the value in force; secrets say only whether they are set. */
export const printableConfiguration = (configuration: Configuration): Record<string, string> => {
  const printable: Record<string, string> = {}
  for (const [name, group] of Object.entries(groups)) {
    const values = configuration[name as keyof Groups] as Record<string, unknown>
    for (const [field, { variable, secret }] of Object.entries(group.settings as Record<string, Setting>)) {
      const value = values[field]
      if (secret) printable[variable] = value === undefined ? '(not set)' : '(set)'
      else printable[variable] = value === undefined ? '' : Array.isArray(value) ? value.join(',') : String(value)
    }
  }
  return printable
}
