import { systemClock } from '@ashlar/kernel'
import { createUnitOfWork, openDatabase } from '@ashlar/platform/postgres'
import { testDatabase, testRuntime } from '@ashlar/platform/testing'
import { auditStoreConformance } from '../../../test/audit-store.conformance.ts'
import { auditMigrations } from '../../index.ts'
import { createPostgresAuditStore } from './audit-store.ts'
import type { AuditDatabase } from './database.ts'

auditStoreConformance('postgres', async () => {
  const runtime = testRuntime({ clock: systemClock })
  const audit = await testDatabase('audit', auditMigrations)
  const database = openDatabase<AuditDatabase>({ url: audit.url, applicationName: 'audit', runtime, service: 'audit' })
  const unitOfWork = createUnitOfWork({ database, runtime, service: 'audit', repositories: () => ({}) })
  return {
    store: createPostgresAuditStore({ database, unitOfWork, runtime }),
    outage: audit.outage,
    close: async () => {
      await database.close()
      await audit.close()
    },
  }
})
