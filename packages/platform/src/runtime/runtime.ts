import { randomUUID } from 'node:crypto'
import { type Clock, type NewId, systemClock, uuidv7 } from '@ashlar/kernel'
import { type ContextStore, createContextStore } from '../context/index.ts'
import type { Keyring } from '../keys/index.ts'
import { createLogger, createMetrics, type Logger, type Metrics, noTracing, type Tracing } from '../telemetry/index.ts'
import { type Faults, noFaults } from './faults.ts'
import { createNames, type Names, type ServiceName } from './names.ts'

/** What every factory of one Ashlar is given: nothing of it lives at module level. */
export type Runtime = {
  installation: string
  tenant: string
  environment: 'development' | 'test' | 'production'
  /** Made afresh at each start of the process: owner of leases and claims. */
  instanceId: string
  context: ContextStore
  clock: Clock
  newId: NewId
  keys: Keyring
  names: Names
  faults: Faults
  tracing: Tracing
  logger(service: ServiceName): Logger
  metrics(service: ServiceName): Metrics
}

export type RuntimeOptions = {
  keys: Keyring
  installation?: string
  tenant?: string
  environment?: Runtime['environment']
  context?: ContextStore
  clock?: Clock
  newId?: NewId
  faults?: Faults
  /** Closed by whoever opened it. Without it no spans are recorded. */
  tracing?: Tracing
  logLevel?: string
  /** Where log lines go; stdout without it. */
  logDestination?: Parameters<typeof createLogger>[0]['destination']
}

/** One logger and one registry per service, made when first asked for and the same ever after. */
export const createRuntime = (options: RuntimeOptions): Runtime => {
  const { installation = 'ashlar', tenant = 'default', environment = 'production' } = options
  const context = options.context ?? createContextStore()
  const loggers = new Map<ServiceName, Logger>()
  const metrics = new Map<ServiceName, Metrics>()
  return {
    installation,
    tenant,
    environment,
    instanceId: randomUUID(),
    context,
    clock: options.clock ?? systemClock,
    newId: options.newId ?? (() => uuidv7()),
    keys: options.keys,
    names: createNames(installation, tenant),
    faults: options.faults ?? noFaults,
    tracing: options.tracing ?? noTracing,
    logger: (service) =>
      once(loggers, service, () =>
        createLogger({
          service: `${service}-service`,
          level: options.logLevel ?? 'info',
          context,
          destination: options.logDestination,
        }),
      ),
    metrics: (service) => once(metrics, service, () => createMetrics({ service })),
  }
}

const once = <K, V>(made: Map<K, V>, key: K, make: () => V): V => {
  const known = made.get(key)
  if (known !== undefined) return known
  const value = make()
  made.set(key, value)
  return value
}
