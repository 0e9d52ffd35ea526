import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { userInfo } from 'node:os'
import { delimiter, join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import type { Owner } from './copy.ts'

/** PostgreSQL refuses to run as root, and initdb as a uid without a name: as whom its programs run, and how. */
export type Regime = {
  kind: 'direct' | 'namespace' | 'owner'
  /** Words in front of the program. */
  prefix: string[]
  /** Folder of the programs. */
  bin: string
  /** Whom files must belong to, where it is not the caller. */
  owner?: Owner
}

/** The uid that stands for nobody in particular, in the namespace and as owner. It has a name on every system. */
export const NOBODY: Owner = { uid: 65_534, gid: 65_534 }

const NAMESPACE = ['unshare', '-U', `--map-user=${NOBODY.uid}`, `--map-group=${NOBODY.gid}`, '--']

/**
 * Ends the server when this process ends, whatever ended it. The signal follows the thread that spawned the
 * server, so in a worker it would come when the worker ends.
 */
const DEATH_SIGNAL = ['setpriv', '--pdeathsig', 'INT', '--']

export const isRoot = (): boolean => process.getuid?.() === 0

export const hasName = (): boolean => {
  try {
    return userInfo().username !== ''
  } catch {
    return false
  }
}

/** Tries the program itself, in the folder it will work in. The first way that works is the answer. */
export const probe = async (
  kind: Regime['kind'],
  native: string,
  folder: string,
  owner?: Owner,
): Promise<Regime | undefined> => {
  const bin = join(native, 'bin')
  const namespace = kind === 'namespace' ? NAMESPACE : []
  for (const guard of isMainThread ? [DEATH_SIGNAL, []] : [[]]) {
    const regime: Regime = { kind, prefix: [...namespace, ...guard], bin, ...(owner && { owner }) }
    if (await works(regime, ['/bin/sh', '-c', '"$1" --version && cd "$2"', 'sh', join(bin, 'postgres'), folder]))
      return regime
  }
  return undefined
}

/** Whether `owner` can enter a folder. */
export const canEnter = (owner: Owner, folder: string): Promise<boolean> =>
  works({ kind: 'owner', prefix: [], bin: '', owner }, ['/bin/sh', '-c', 'cd "$1"', 'sh', folder])

const works = (regime: Regime, words: string[]): Promise<boolean> =>
  new Promise((resolve) => {
    try {
      const child = start(regime, words, { stdio: 'ignore' })
      child.once('error', () => resolve(false))
      child.once('exit', (code) => resolve(code === 0))
    } catch {
      resolve(false)
    }
  })

/**
 * Starts a program in its own session, so that the terminal's Ctrl-C never reaches it, and with an environment
 * that carries nothing of ours: the server's own is readable by every superuser of the database.
 */
export const start = (regime: Regime, words: string[], options: SpawnOptions): ChildProcess => {
  const [program = '', ...args] = [...regime.prefix, ...words]
  const path = [process.env.PATH, '/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'].filter(Boolean)
  return spawn(program, args, {
    ...options,
    cwd: '/',
    detached: true,
    env: { PATH: path.join(delimiter), LC_ALL: 'C', TZ: 'UTC' },
    ...(regime.owner && regime.kind === 'owner' && { uid: regime.owner.uid, gid: regime.owner.gid }),
  })
}

/** Runs a program to its end and answers with what it said; throws with that when it fails. */
export const runToEnd = (regime: Regime, words: string[], input = ''): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = start(regime, words, { stdio: ['pipe', 'pipe', 'pipe'] })
    let said = ''
    const hear = (chunk: Buffer): void => {
      said = (said + chunk.toString()).slice(-4000)
    }
    child.stdout?.on('data', hear)
    child.stderr?.on('data', hear)
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
    child.once('error', reject)
    child.once('close', (code, signal) =>
      code === 0 ? resolve(said) : reject(new Error(`${words[0]} ended with ${signal ?? code}: ${said.trim()}`)),
    )
  })
