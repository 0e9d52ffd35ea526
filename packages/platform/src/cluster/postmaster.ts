import { closeSync, fstatSync, openSync, readSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { StartFailed } from './errors.ts'
import { identify } from './identity.ts'
import { endBackends, endLeftovers, endProcess, readPidFile } from './leftover.ts'
import type { Site } from './place.ts'
import { HOST } from './port.ts'
import { start } from './regime.ts'
import { fixedSettings } from './settings.ts'
import type { ClusterLog } from './types.ts'

export type Launch = {
  site: Site
  logFile: string
  port: number
  durable: boolean
  admin: { role: string; password: string }
  log: ClusterLog
}

/** A running server process. `ended` settles with how it ended, however it did. */
export type Postmaster = {
  readonly pid: number
  readonly ended: Promise<string>
  hasEnded(): boolean
  stop(): Promise<void>
}

const POLL_MS = 10
const LOG_LIMIT_BYTES = 10 * 1024 * 1024
const EARLIER_SERVER_TRIES = 20

/**
 * Starts the server and answers when a statement works. `started` hears of the process before that, so that a stop
 * can reach it during a long recovery. A failure carries what the server wrote.
 */
export const launch = async (
  options: Launch,
  started: (postmaster: Postmaster) => void = () => {},
): Promise<Postmaster> => {
  for (let attempt = 1; ; attempt++) {
    await endLeftovers(options.site.place, options.log)
    const log = openLog(options.logFile)
    try {
      const postmaster = spawnServer(options, log.fd)
      started(postmaster)
      try {
        await becomeReady(postmaster, options, log.written)
        return postmaster
      } catch (error) {
        await postmaster.stop()
        const again = error instanceof StartFailed && error.earlierServer && attempt < EARLIER_SERVER_TRIES
        if (!again) throw error
        await sleep(50)
      }
    } finally {
      log.close()
    }
  }
}

const spawnServer = ({ site, port, durable, log }: Launch, logFd: number): Postmaster => {
  const { place, regime } = site
  const words = [join(regime.bin, 'postgres'), '-D', place, ...fixedSettings(port, durable)]
  const child = start(regime, words, { stdio: ['ignore', logFd, logFd] })
  let over = false
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
  })
  // Where no death signal could be had: at least an exit of ours that runs its handlers takes the server along.
  const goAlong = (): void => void child.kill('SIGINT')
  process.once('exit', goAlong)
  void ended.then(() => {
    over = true
    process.off('exit', goAlong)
  })
  const stop = async (): Promise<void> => {
    const identity = over || child.pid === undefined ? undefined : await identify(child.pid)
    if (identity) await endProcess(identity)
    await ended
    await endBackends(place, log)
  }
  return { pid: child.pid ?? 0, ended, hasEnded: () => over, stop }
}

const becomeReady = async (postmaster: Postmaster, options: Launch, written: () => string): Promise<void> => {
  let nextNoteAt = Date.now() + 10_000
  for (;;) {
    if (postmaster.hasEnded()) throw new StartFailed(await postmaster.ended, written())
    const file = await readPidFile(options.site.place)
    // Its own word first: a connection is costlier than a look, and would be refused until then.
    if (file?.pid === postmaster.pid && file.status === 'ready' && (await answers(options))) return
    if (Date.now() >= nextNoteAt) {
      options.log.info(
        { pid: postmaster.pid },
        'PostgreSQL is still recovering; this may take as long as its log is long',
      )
      nextNoteAt = Date.now() + 30_000
    }
    await Promise.race([sleep(POLL_MS), postmaster.ended])
  }
}

/** False while the server is not there yet; a refused password is final and thrown. */
const answers = async ({ port, admin }: Launch): Promise<boolean> => {
  const client = connect(port, admin)
  try {
    await client.connect()
    await client.query('SELECT 1')
    return true
  } catch (error) {
    if (isRefusal(error)) throw error
    return false
  } finally {
    await client.end().catch(() => {})
  }
}

/** 28P01 invalid_password, 28000 invalid_authorization_specification. */
export const isRefusal = (error: unknown): boolean =>
  ['28P01', '28000'].includes((error as { code?: string }).code ?? '')

export const connect = (port: number, admin: { role: string; password: string }, database = 'postgres'): pg.Client => {
  const client = new pg.Client({
    host: HOST,
    port,
    user: admin.role,
    password: admin.password,
    database,
    ssl: false,
    application_name: 'ashlar cluster',
    connectionTimeoutMillis: 5_000,
  })
  // A server that dies under an idle connection is the supervisor's matter, not an unhandled event.
  client.on('error', () => {})
  return client
}

type OpenLog = { fd: number; written(): string; close(): void }

/** Appended to, with one older file kept, so that it is bounded over any number of starts. */
const openLog = (path: string): OpenLog => {
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > LOG_LIMIT_BYTES) renameSync(path, `${path}.1`)
  const fd = openSync(path, 'a+', 0o600)
  const from = fstatSync(fd).size
  const written = (): string => {
    const size = Math.min(fstatSync(fd).size - from, 4_000)
    const buffer = Buffer.alloc(size)
    readSync(fd, buffer, 0, size, fstatSync(fd).size - size)
    return buffer.toString().trim()
  }
  return { fd, written, close: () => closeSync(fd) }
}
