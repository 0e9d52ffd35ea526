import { userInfo } from 'node:os'
import { lockDataDir } from '@ashlar/platform/cluster'
import { newTraceparent } from '@ashlar/platform/context'
import { createKeyring, loadMasterKey } from '@ashlar/platform/keys'
import { createRuntime, type Runtime } from '@ashlar/platform/runtime'
import type { Tracing } from '@ashlar/platform/telemetry'
import pino from 'pino'
import { type Ashlar, compose } from '../compose.ts'
import { type Configuration, loadConfiguration } from '../config.ts'
import { migrateAll } from '../migrations.ts'
import { findStores, openStores, type Stores } from '../stores.ts'
import { type Io, withProgress } from './command.ts'

export type Session = { configuration: Configuration; runtime: Runtime; stores: Stores }

/** The account at the command line; a uid without a passwd entry has no name. */
const operator = (): string => {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.()}`
  }
}

export const runtimeOf = async (
  configuration: Configuration,
  logs: { level: string; destination?: pino.DestinationStream },
  tracing?: Tracing,
): Promise<Runtime> => {
  const { core } = configuration
  const masterKey = await loadMasterKey({ dataDir: core.dataDir, variable: core.masterKey })
  return createRuntime({
    keys: createKeyring({ masterKey }),
    installation: core.installation,
    environment: core.environment,
    logLevel: logs.level,
    logDestination: logs.destination,
    tracing,
  })
}

const openSession = async (env: NodeJS.ProcessEnv): Promise<Omit<Session, 'stores'>> => {
  const configuration = loadConfiguration(env)
  const runtime = await runtimeOf(configuration, { level: 'error', destination: pino.destination(2) })
  return { configuration, runtime }
}

/** The stores of an Ashlar that must run already. */
export const runningSession = async (env: NodeJS.ProcessEnv): Promise<Session> => {
  const session = await openSession(env)
  const stores = await findStores(session.configuration, session.runtime)
  if (stores === undefined) throw new Error(`no Ashlar runs on ${session.configuration.core.dataDir}`)
  return { ...session, stores }
}

/**
 * Reaches the stores for a command: those of the Ashlar that runs on this data directory, or else the
 * stores alone, opened for as long as the command takes. Everything the command writes is attributed to
 * the person at the command line.
 */
export const withStores = async <T>(io: Io, work: (session: Session) => Promise<T>): Promise<T> => {
  const { configuration, runtime } = await openSession(io.env)
  const log = runtime.logger('gateway')
  const context = {
    requestId: runtime.newId(),
    traceparent: newTraceparent(),
    actor: { type: 'cli' as const, id: operator() },
  }
  return runtime.context.run(context, async () => {
    const running = await findStores(configuration, runtime)
    if (running) return work({ configuration, runtime, stores: running })

    const lock = await lockDataDir(configuration.core.dataDir)
    try {
      const stores = await withProgress(
        io,
        () => 'starting the databases',
        () => openStores(configuration, runtime, lock, log),
      )
      try {
        return await work({ configuration, runtime, stores })
      } finally {
        await stores.close()
      }
    } finally {
      await lock.release()
    }
  })
}

/** The services on those stores, made but not started: for commands that call a verb. */
export const withAshlar = async <T>(io: Io, work: (ashlar: Ashlar, session: Session) => Promise<T>): Promise<T> =>
  withStores(io, async (session) => {
    // A running server has brought its databases to its own schema already.
    if (session.stores.cluster) await migrateAll(session.stores, session.runtime, session.runtime.logger('gateway'))
    const ashlar = await compose(session.configuration, session.runtime, session.stores)
    try {
      return await work(ashlar, session)
    } finally {
      await ashlar.close()
    }
  })
