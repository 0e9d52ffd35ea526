import { auditMigrations } from '@ashlar/audit'
import { authMigrations } from '@ashlar/auth'
import { notificationsMigrations } from '@ashlar/notifications'
import { paymentsMigrations, sandboxMigrations } from '@ashlar/payments'
import { busMigrations, grantBus } from '@ashlar/platform/bus'
import { type MigrationSet, migrate, migrationStatus } from '@ashlar/platform/postgres'
import type { DatabaseName, Runtime } from '@ashlar/platform/runtime'
import type { Logger } from '@ashlar/platform/telemetry'
import { AUDITED_DATABASES, BUS_USERS, type Stores } from './stores.ts'

const SETS: Readonly<Record<DatabaseName, MigrationSet>> = {
  auth: authMigrations,
  payments: paymentsMigrations,
  notifications: notificationsMigrations,
  audit: auditMigrations,
  bus: busMigrations,
  sandbox: sandboxMigrations,
}

const databases = Object.keys(SETS) as DatabaseName[]

/** Brings every database to the newest schema. Safe to call at each start and from several processes at once. */
export const migrateAll = async (stores: Stores, runtime: Runtime, log: Logger): Promise<Record<string, string[]>> => {
  const isAudited = (database: DatabaseName): boolean => (AUDITED_DATABASES as readonly string[]).includes(database)
  const applied = await Promise.all(
    databases.map(async (database) => {
      const result = await migrate({
        adminUrl: stores.url(database, 'admin'),
        set: SETS[database],
        runtimeRole: stores.role(database),
        changesRole: isAudited(database) ? stores.role('changes') : undefined,
        publication: runtime.names.publication,
        log,
      })
      return [database, result.applied] as const
    }),
  )
  await grantBus({ adminUrl: stores.url('bus', 'admin'), roles: BUS_USERS.map((service) => stores.role(service)) })
  return Object.fromEntries(applied)
}

/** What is applied and what is pending, per database. */
export const statusOfMigrations = async (stores: Stores) =>
  Promise.all(
    databases.map(async (database) => ({
      database,
      status: await migrationStatus({ adminUrl: stores.url(database, 'admin'), set: SETS[database] }),
    })),
  )
