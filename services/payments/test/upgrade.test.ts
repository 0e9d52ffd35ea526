import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { migrate } from '@ashlar/platform/postgres'
import { createNames } from '@ashlar/platform/runtime'
import { testDatabase, testRuntime } from '@ashlar/platform/testing'
import { expect, test } from 'vitest'
import { verifyLedger } from '../src/application/queries/verify-ledger.ts'
import { paymentsMigrations, sandboxMigrations } from '../src/index.ts'
import { createPostgresPaymentStore } from '../src/infrastructure/postgres/store.ts'
import { createSandboxProvider } from '../src/infrastructure/sandbox/provider.ts'
import { writeHistory } from './history.ts'
import { drawFrom } from './lives.ts'

test('a database of the first release gets its ledger, and a release that knows none may go on beside it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'payments-migrations-'))
  const first = '0001_payments.sql'
  await copyFile(new URL(first, paymentsMigrations.folder), join(folder, first))
  const payments = await testDatabase('payments', { service: 'payments', folder: pathToFileURL(`${folder}/`) })
  await rm(folder, { recursive: true })
  const sandboxDatabase = await testDatabase('sandbox', sandboxMigrations)
  const runtime = testRuntime()
  const draw = drawFrom(1)
  const databases = { payments, sandboxDatabase }
  await writeHistory(databases, 300, draw, runtime.newId)

  const names = createNames('ashlar', 'default')
  const { applied } = await migrate({
    adminUrl: payments.adminUrl,
    set: paymentsMigrations,
    runtimeRole: names.role('payments'),
    changesRole: names.role('changes'),
    publication: names.publication,
    log: { info: () => undefined },
  })
  expect(applied).not.toContain('payments/0001_payments')
  const store = createPostgresPaymentStore({ runtime, databaseUrl: payments.url })
  const provider = createSandboxProvider({ runtime, databaseUrl: sandboxDatabase.url })
  const verify = () => runtime.as(verifyLedger({ store, provider }))

  const verdict = await verify()
  expect(verdict).toMatchObject({ balanced: true, firstBad: null, checked: 300 })
  expect(verdict.postings).toBeGreaterThan(300)
  // What the earlier release settles from now on is written without a posting, and posted by the later one.
  await writeHistory(databases, 50, draw, runtime.newId)
  expect(await verify()).toMatchObject({ balanced: true, firstBad: null, checked: 350 })
  expect(await payments.sql(`SELECT 1 FROM attempts WHERE outcome = 'succeeded' AND NOT posted`)).toEqual([])

  await store.close()
  await provider.close()
  await payments.close()
  await sandboxDatabase.close()
})
