import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type DataDirLock, lockDataDir } from '@ashlar/platform/cluster'
import type { Runtime } from '@ashlar/platform/runtime'
import { type Ashlar, compose } from './compose.ts'
import type { Configuration } from './config.ts'
import { migrateAll } from './migrations.ts'
import { openStores, type Stores } from './stores.ts'

export type Running = {
  /** Where the gateway listens. */
  port: number
  ashlar: Ashlar
  stores: Stores
  /** Not ready, stop taking work, answer what was accepted, close. Calling it again waits for the same end. */
  stop(): Promise<void>
}

/** What a running Ashlar tells the commands beside it. */
export const runFile = (dataDir: string): string => join(dataDir, 'run.json')

/**
 * Starts everything: data directory, stores, schema, services, gateway. Resolves once requests are served.
 * After a throw nothing is left running.
 */
export const startServer = async (configuration: Configuration, runtime: Runtime): Promise<Running> => {
  const { dataDir, host, port, publicUrl } = configuration.core
  const log = runtime.logger('gateway')
  await mkdir(dataDir, { recursive: true, mode: 0o700 })

  const undo: (() => Promise<void>)[] = []
  const unwind = async (): Promise<void> => {
    for (const step of undo.reverse()) {
      await step().catch((error: unknown) => log.error({ err: error }, 'a part did not close cleanly'))
    }
  }
  try {
    const lock: DataDirLock = await lockDataDir(dataDir)
    undo.push(() => lock.release())
    const stores = await openStores(configuration, runtime, lock, log)
    undo.push(() => stores.close())
    await migrateAll(stores, runtime, log)

    const ashlar = await compose(configuration, runtime, stores)
    undo.push(() => ashlar.close())
    undo.push(() => ashlar.stop())
    await ashlar.start()

    undo.push(() => ashlar.gateway.close())
    undo.push(() => ashlar.gateway.stop())
    const listening = await ashlar.gateway.listen(host, port)
    await writeFile(runFile(dataDir), JSON.stringify({ pid: process.pid, port: listening.port, host, publicUrl }))
    undo.push(() => rm(runFile(dataDir), { force: true }))

    let stopped: Promise<void> | undefined
    const stop = (): Promise<void> => {
      ashlar.gateway.drain()
      stopped ??= unwind()
      return stopped
    }
    return { port: listening.port, ashlar, stores, stop }
  } catch (error) {
    await unwind()
    throw error
  }
}
