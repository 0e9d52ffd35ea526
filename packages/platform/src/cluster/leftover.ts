import { readFile, realpath, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { identify, isAlive, type ProcessIdentity, postgresProcessesIn, worksIn } from './identity.ts'
import { placeOf } from './place.ts'
import { clusterName } from './settings.ts'
import type { ClusterLog } from './types.ts'

/** What a server writes into its data directory about itself (miscadmin.h, lock file lines). */
export type PidFile = { pid: number; directory: string; startedAtMs: number; port: number; status: string }

const START_WINDOW_MS = 5_000

export const readPidFile = async (place: string): Promise<PidFile | undefined> => {
  const text = await readFile(join(place, 'postmaster.pid'), 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  const lines = text.split('\n')
  return {
    pid: Math.abs(Number(lines[0])),
    directory: lines[1] ?? '',
    startedAtMs: Number(lines[2]) * 1000,
    port: Number(lines[3]),
    status: (lines[7] ?? '').trim(),
  }
}

/**
 * The living server of this cluster, known by what it is: argv names postgres and this directory, and it either
 * works in it or began when the file says. The second alone would fail when the clock was set meanwhile, and a
 * recycled pid has neither.
 */
export const serverOf = async (place: string): Promise<ProcessIdentity | undefined> => {
  const file = await readPidFile(place)
  const found = file && (await identify(file.pid))
  if (!file || !found) return undefined
  const at = found.argv.findIndex((word) => word.endsWith('/postgres'))
  const directory = at >= 0 ? found.argv[found.argv.indexOf('-D', at) + 1] : undefined
  if (directory === undefined || directory !== file.directory) return undefined
  if ((await realpath(directory).catch(() => directory)) !== place) return undefined
  const inWindow = Math.abs(found.startedAtMs - file.startedAtMs) <= START_WINDOW_MS
  return inWindow || (await worksIn(found.pid, place)) ? found : undefined
}

/** The port of the server that runs on this data directory now; undefined when none does, whatever the files say. */
export const runningClusterPort = async (dataDir: string): Promise<number | undefined> => {
  const directory = await realpath(dataDir).catch(() => undefined)
  if (directory === undefined) return undefined
  const place = await placeOf(directory)
  if (!(await serverOf(place))) return undefined
  const port = (await readPidFile(place))?.port
  return port !== undefined && port > 0 ? port : undefined
}

/**
 * Ends what an earlier server left: the server itself, then its backends, then a pid file that would keep the next
 * one from starting because the pid is a stranger's or a zombie's by now. After this nothing runs on the files.
 */
export const endLeftovers = async (place: string, log: ClusterLog): Promise<void> => {
  const server = await serverOf(place)
  if (server) {
    log.warn({ pid: server.pid }, 'stopping the PostgreSQL server that an earlier run left')
    await endProcess(server)
  }
  await endBackends(place, log)
  const file = await readPidFile(place)
  // A pid that nobody has is left to PostgreSQL, which also looks at the shared memory named in the file.
  if (file && isTaken(file.pid)) await rm(join(place, 'postmaster.pid'), { force: true })
}

/** Fast shutdown, then immediate, then by force: the log is replayed at the next start, nothing confirmed is lost. */
export const endProcess = async (process: { pid: number; token: string }, graceMs = 10_000): Promise<void> => {
  for (const [signal, waitMs] of [
    ['SIGINT', graceMs],
    ['SIGQUIT', 5_000],
    ['SIGKILL', 5_000],
  ] as const) {
    send(process.pid, signal)
    if (await isGone(process, waitMs)) return
  }
  throw new Error(`Process ${process.pid} does not end.`)
}

/** Backends outlive a server that was killed while they are busy, and keep the next one from starting. */
export const endBackends = async (place: string, log: ClusterLog): Promise<void> => {
  for (const [signal, waitMs] of [
    ['SIGQUIT', 5_000],
    ['SIGKILL', 5_000],
  ] as const) {
    const pids = await postgresProcessesIn(place, clusterName(place))
    if (pids.length === 0) return
    log.warn({ pids, signal }, 'ending backends that outlived their PostgreSQL server')
    const identities = (await Promise.all(pids.map(identify))).filter((found) => found !== undefined)
    for (const { pid } of identities) send(pid, signal)
    await Promise.all(identities.map((identity) => isGone(identity, waitMs)))
  }
  const left = await postgresProcessesIn(place, clusterName(place))
  if (left.length > 0) throw new Error(`Processes ${left.join(', ')} still work in ${place} and do not end.`)
}

const isGone = async (process: { pid: number; token: string }, withinMs: number): Promise<boolean> => {
  const deadline = Date.now() + withinMs
  for (;;) {
    if (!(await isAlive(process))) return true
    if (Date.now() >= deadline) return false
    await sleep(10)
  }
}

/** True as well for what is no pid: a file cut short by a power cut, which PostgreSQL refuses too. */
const isTaken = (pid: number): boolean => {
  if (!(pid > 0)) return true
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

const send = (pid: number, signal: NodeJS.Signals): void => {
  try {
    process.kill(pid, signal)
  } catch {
    // Gone already; who waits for it will see so.
  }
}
