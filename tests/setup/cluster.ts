import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startCluster } from '@ashlar/platform/cluster'
import { createNames } from '@ashlar/platform/runtime'
import type { TestProject } from 'vitest/node'

const DATABASES = ['auth', 'payments', 'notifications', 'audit', 'bus', 'sandbox'] as const
const PASSWORD = 'test'
const SHARED = 'ASHLAR_TEST_CLUSTER'

/**
 * One PostgreSQL for the whole run, without fsync, in a directory that is removed afterwards. Vitest calls this once
 * per project; the first one starts the cluster and the others find it in the environment of this process.
 */
export default async (project: TestProject): Promise<(() => Promise<void>) | undefined> => {
  const running = process.env[SHARED]
  if (running !== undefined) {
    project.provide('ashlarCluster', JSON.parse(running))
    return undefined
  }
  const names = createNames('ashlar', 'default')
  const dataDir = await mkdtemp(join(tmpdir(), 'ashlar-test-'))
  const settings = { transaction_timeout: '30s', idle_in_transaction_session_timeout: '15s' }
  const cluster = await startCluster({
    dataDir,
    adminPassword: PASSWORD,
    databases: [],
    roles: [
      ...DATABASES.map((of) => ({ name: names.role(of), password: PASSWORD, settings })),
      { name: names.role('changes'), password: PASSWORD, replication: true },
    ],
    durable: false,
    log: { info: () => undefined, warn: console.warn, error: console.error },
    settings: { max_connections: '300', max_wal_senders: '50', max_replication_slots: '50' },
  })
  const access = { host: cluster.host, port: cluster.port, adminRole: 'ashlar', password: PASSWORD }
  process.env[SHARED] = JSON.stringify(access)
  project.provide('ashlarCluster', access)
  return async () => {
    delete process.env[SHARED]
    await cluster.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}
