import { createBroadcast } from '@ashlar/platform/broadcast'
import { createUnitOfWork, openDatabase } from '@ashlar/platform/postgres'
import { testDatabase, testRuntime } from '@ashlar/platform/testing'
import { authStoreConformance } from '../../../test/auth-store.conformance.ts'
import { authMigrations } from '../../index.ts'
import { readAddressRequests } from './address-mail.ts'
import { readRevocations } from './revocations.ts'
import { announcing, createRepositories } from './store.ts'
import type { AuthTables } from './tables.ts'

authStoreConformance(async () => {
  const store = await testDatabase('auth', authMigrations)
  const runtime = testRuntime()
  const database = openDatabase<AuthTables>({ url: store.url, applicationName: 'test', runtime, service: 'auth' })
  const repositories = createRepositories({
    ...runtime,
    tokenSeconds: 900,
    currentContext: () => runtime.context.current(),
  })
  const unitOfWork = announcing(
    createUnitOfWork({ database, runtime, service: 'auth', repositories }),
    createBroadcast(),
  )
  return {
    unitOfWork: (work) => runtime.as(() => unitOfWork(work)),
    revocationsSince: (sequence) => readRevocations(database.db, sequence),
    waitingRequests: () => readAddressRequests(database.db, 10),
    outage: () => store.outage(),
    close: async () => {
      await database.close()
      await store.close()
    },
  }
})
