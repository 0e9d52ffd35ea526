import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import { identify, postgresProcessesIn } from './identity.ts'
import type { ClusterLog, ClusterOptions } from './index.ts'
import { recordedPlace } from './place.ts'
import { clusterName } from './settings.ts'

export const isRoot = process.getuid?.() === 0
export const onLinux = process.platform === 'linux'
export const canDropTo65534 =
  isRoot &&
  spawnSync('setpriv', ['--reuid', '65534', '--regid', '65534', '--clear-groups', 'test', '-r', import.meta.filename])
    .status === 0

/** What a test reads back: the messages that the cluster logged. */
export const recordingLog = (): ClusterLog & { lines: string[] } => {
  const lines: string[] = []
  const note = (_fields: object, message: string): void => void lines.push(message)
  return { lines, info: note, warn: note, error: note }
}

export const optionsFor = (dataDir: string, more: Partial<ClusterOptions> = {}): ClusterOptions => ({
  dataDir,
  adminPassword: 'secret',
  databases: [],
  roles: [],
  durable: false,
  log: recordingLog(),
  ...more,
})

export const query = async <Row extends object>(url: string, text: string): Promise<Row[]> => {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end().catch(() => {})
  }
}

/** Temporary data directories; `clean` also ends every server in them and removes clusters that were put elsewhere. */
export const scratch = () => {
  const made: string[] = []
  return {
    dir: async (): Promise<string> => {
      const path = await mkdtemp(join(tmpdir(), 'ashlar-cluster-'))
      made.push(path)
      return path
    },
    clean: async (): Promise<void> => {
      for (const path of made.splice(0)) {
        const elsewhere = await recordedPlace(path)
        for (const place of [join(path, 'postgres'), ...(elsewhere ? [elsewhere] : [])]) {
          for (const pid of await postgresProcessesIn(place, clusterName(place))) process.kill(pid, 'SIGKILL')
        }
        await rm(path, { recursive: true, force: true, maxRetries: 5 })
        if (elsewhere) await rm(join(elsewhere, '..'), { recursive: true, force: true, maxRetries: 5 })
      }
    },
  }
}

export type Said = { pid: number; port: number; url: string; error?: string; message?: string }
export type ChildOptions = { before?: string[]; once?: boolean; path?: string }
export type Child = { process: ChildProcess; said: Promise<Said>; ended: Promise<void> }

/** Runs the fixture script in a process of its own; `before` are words in front of node, such as setpriv. */
export const startChild = (
  options: Partial<ClusterOptions>,
  { before = [], once = false, path }: ChildOptions = {},
): Child => {
  const script = join(import.meta.dirname, 'child.fixture.ts')
  const [program = '', ...args] = [
    ...before,
    process.execPath,
    script,
    JSON.stringify(options),
    ...(once ? ['once'] : []),
  ]
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '', ...(path !== undefined && { PATH: path }) },
  })
  const said = new Promise<Said>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) => resolve(JSON.parse(line) as Said))
    child.once('exit', (code, signal) => reject(new Error(`The child ended with ${signal ?? code} and said nothing.`)))
  })
  said.catch(() => {})
  return { process: child, said, ended: new Promise((resolve) => child.once('exit', () => resolve())) }
}

/** Starts and stops a cluster in a process of its own; answers with what it said when it has ended. */
export const runOnce = async (
  options: Partial<ClusterOptions>,
  more: Omit<ChildOptions, 'once'> = {},
): Promise<Said> => {
  const child = startChild(options, { ...more, once: true })
  await child.ended
  return child.said
}

export const until = async (holds: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> => {
  const deadline = Date.now() + withinMs
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error('What was waited for did not happen in time.')
    await sleep(10)
  }
}

/** Servers of a cluster that live now: those whose command line names the directory with -D. */
export const serversOf = (place: string): number[] => {
  const listed = execFileSync('ps', ['-axo', 'pid=,args='], { encoding: 'utf8' })
  return listed
    .split('\n')
    .filter((line) => line.includes(`/postgres -D ${place} `))
    .map((line) => Number.parseInt(line, 10))
}

export const isGone = async (pid: number): Promise<boolean> => (await identify(pid)) === undefined

/** A PATH on which `hidden` fail, as if the system did not have or allow them. */
export const pathWithout = async (dir: string, hidden: string[]): Promise<string> => {
  await chmod(dir, 0o755)
  const folder = join(dir, 'hiding')
  await mkdir(folder, { recursive: true })
  for (const program of hidden) await writeFile(join(folder, program), '#!/bin/sh\nexit 1\n', { mode: 0o755 })
  return `${folder}:${process.env.PATH ?? ''}`
}

export const hasUserNamespaces = (): boolean =>
  onLinux && existsSync('/proc/self/ns/user') && spawnSync('unshare', ['-U', 'true']).status === 0

export const textOf = (path: string): string => readFileSync(path, 'utf8')
