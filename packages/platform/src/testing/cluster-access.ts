import { inject } from 'vitest'

/** What the global setup (tests/setup/cluster.ts) tells the workers about the one cluster of a test run. */
export type TestCluster = {
  host: string
  port: number
  adminRole: string
  /** Of the administrator and of every role alike: the cluster lives as long as the run, on loopback. */
  password: string
}

declare module 'vitest' {
  interface ProvidedContext {
    ashlarCluster: TestCluster
  }
}

export const testCluster = (): TestCluster => inject('ashlarCluster')

/** The roles that exist in every test cluster, named as `names.role` of the default installation names them. */
export const TEST_DATABASES = ['auth', 'payments', 'notifications', 'audit', 'bus', 'sandbox'] as const

export const testUrl = (database: string, role?: string): string => {
  const { host, port, adminRole, password } = testCluster()
  return `postgres://${role ?? adminRole}:${password}@${host}:${port}/${database}`
}
