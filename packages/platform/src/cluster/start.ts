import { mkdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { findBinaries } from './binaries.ts'
import { resetAdmin } from './credentials.ts'
import { StartFailed } from './errors.ts'
import { ensureInitialised } from './initialise.ts'
import { endLeftovers } from './leftover.ts'
import { lockDataDir } from './lock.ts'
import { findSite, placeOf } from './place.ts'
import { choosePort, HOST, rememberPort } from './port.ts'
import { connect, isRefusal, type Launch, launch, type Postmaster } from './postmaster.ts'
import { provision } from './provision.ts'
import { writeSettings } from './settings.ts'
import { supervise } from './supervise.ts'
import type { ClusterOptions, EmbeddedCluster } from './types.ts'

const PORT_TRIES = 5

/**
 * Starts the PostgreSQL cluster of a data directory, making it on the first call, and keeps it running until it is
 * stopped. Throws `DataDirInUse` when another process holds the directory, `ClusterUnavailable` when no cluster can
 * run here. Nothing is left running after a throw.
 */
export const startCluster = async (options: ClusterOptions): Promise<EmbeddedCluster> => {
  await mkdir(options.dataDir, { recursive: true })
  const dataDir = await realpath(options.dataDir)
  const lock = options.lock ?? (await lockDataDir(dataDir))
  const release = async (): Promise<void> => {
    if (!options.lock) await lock.release()
  }
  try {
    return await startLocked({ ...options, dataDir }, release)
  } catch (error) {
    await release()
    throw error
  }
}

const startLocked = async (options: ClusterOptions, release: () => Promise<void>): Promise<EmbeddedCluster> => {
  const { dataDir, adminRole = 'ashlar', adminPassword, durable = true, log } = options
  const binaries = await findBinaries(dataDir)
  // Before the files are looked at: what an earlier run left may still be writing them.
  await endLeftovers(await placeOf(dataDir), log)
  const site = await findSite(dataDir, binaries, log)
  await ensureInitialised(dataDir, site, { adminRole, adminPassword, durable, template: options.template })
  const { owner } = site.regime
  await writeSettings(site.place, options.settings ?? {}, { durable, ...(owner && { owner }) })

  const admin = { role: adminRole, password: adminPassword }
  const launching = { site, durable, admin, log, logFile: join(dataDir, 'postgres.log') }
  const { postmaster, port } = await launchOnSomePort(launching, dataDir, options.port)
  try {
    const client = connect(port, admin)
    await client.connect()
    try {
      await provision(client, adminRole, options)
    } finally {
      await client.end()
    }
    await rememberPort(dataDir, port)
  } catch (error) {
    await postmaster.stop()
    throw error
  }

  const supervisor = supervise(postmaster, { ...launching, port })
  const passwords = new Map([
    [adminRole, adminPassword],
    ...options.roles.map((role) => [role.name, role.password] as const),
  ])
  const stop = async (): Promise<void> => {
    try {
      await supervisor.stop()
    } finally {
      await release()
    }
  }
  let stopped: Promise<void> | undefined
  return {
    host: HOST,
    port,
    get pid() {
      return supervisor.pid
    },
    get state() {
      return supervisor.state
    },
    url: (database, role = adminRole) => {
      const password = passwords.get(role)
      if (password === undefined) throw new Error(`The cluster has no role ${role}.`)
      return `postgres://${encodeURIComponent(role)}:${encodeURIComponent(password)}@${HOST}:${port}/${encodeURIComponent(database)}`
    },
    onState: supervisor.onState,
    stop: () => (stopped ??= stop()),
  }
}

/** A port can be lost between the look and the server's own claim; unless the caller insists on one, another will do. */
const launchOnSomePort = async (
  launching: Omit<Launch, 'port'>,
  dataDir: string,
  fixed: number | undefined,
): Promise<{ postmaster: Postmaster; port: number }> => {
  const refused = new Set<number>()
  for (;;) {
    const port = fixed ?? (await choosePort(dataDir, refused))
    try {
      return { port, postmaster: await launchAsAdmin({ ...launching, port }) }
    } catch (error) {
      const again = error instanceof StartFailed && error.portTaken && fixed === undefined && refused.size < PORT_TRIES
      if (!again) throw error
      refused.add(port)
    }
  }
}

const launchAsAdmin = async (options: Launch): Promise<Postmaster> => {
  try {
    return await launch(options)
  } catch (error) {
    if (!isRefusal(error)) throw error
    options.log.warn(
      { role: options.admin.role },
      'the cluster does not know this administrator: setting its password anew',
    )
    await resetAdmin(options.site, options.admin.role, options.admin.password)
    return launch(options)
  }
}
