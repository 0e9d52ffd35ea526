import { execFile } from 'node:child_process'
import { readdir, readFile, readlink } from 'node:fs/promises'
import { basename } from 'node:path'
import { promisify } from 'node:util'

/** A living process, told apart from a later one with the same pid by `token`. */
export type ProcessIdentity = { pid: number; token: string; startedAtMs: number; argv: string[] }

const run = promisify(execFile)
const TICKS_PER_SECOND = 100 // USER_HZ: fixed at 100 in what Linux shows to programs

const procText = (path: string): Promise<string | undefined> => readFile(`/proc/${path}`, 'utf8').catch(() => undefined)

/** Undefined when there is no such process, or only its zombie: nothing runs under that pid any more. */
export const identify = async (pid: number): Promise<ProcessIdentity | undefined> => {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined
  const boot = await procText('sys/kernel/random/boot_id')
  return boot === undefined ? identifyByPs(pid) : identifyByProc(pid, boot.trim())
}

const identifyByProc = async (pid: number, boot: string): Promise<ProcessIdentity | undefined> => {
  const [stat, cmdline, system] = await Promise.all([
    procText(`${pid}/stat`),
    procText(`${pid}/cmdline`),
    procText('stat'),
  ])
  if (stat === undefined || cmdline === undefined) return undefined
  // The second field is the program's name and may hold anything, a parenthesis too: count from the last one.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined
  const ticks = Number(fields[19])
  const bootSeconds = Number(/^btime (\d+)$/m.exec(system ?? '')?.[1])
  return {
    pid,
    token: `${boot}:${ticks}`,
    startedAtMs: (bootSeconds + ticks / TICKS_PER_SECOND) * 1000,
    argv: cmdline.split('\0').filter((word) => word !== ''),
  }
}

/** Where there is no /proc (macOS): the same facts to the second, words split at spaces. */
const identifyByPs = async (pid: number): Promise<ProcessIdentity | undefined> => {
  const shown = await run('ps', ['-o', 'state=,lstart=,command=', '-p', String(pid)], {
    env: { ...process.env, LC_ALL: 'C' },
  }).catch(() => undefined)
  const match = /^\s*(\S+)\s+(\w{3}\s+\w{3}\s+\d+\s+[\d:]+\s+\d{4})\s+(.*)$/.exec(shown?.stdout.trimEnd() ?? '')
  const [, state, started, command] = match ?? []
  if (state === undefined || started === undefined || command === undefined || state.startsWith('Z')) return undefined
  return { pid, token: started, startedAtMs: Date.parse(started), argv: command.split(' ') }
}

export const isAlive = async (identity: { pid: number; token: string }): Promise<boolean> =>
  (await identify(identity.pid))?.token === identity.token

/** True when the process works in `directory` (a real path). Undefined where the system does not tell. */
export const worksIn = async (pid: number, directory: string): Promise<boolean | undefined> => {
  const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => undefined)
  return cwd === undefined ? undefined : cwd === directory
}

/**
 * The pids of PostgreSQL processes at work in `directory`, a server and its backends alike. A shell that somebody
 * opened in that folder is none of them. `clusterName` finds them by their title where there is no /proc.
 */
export const postgresProcessesIn = async (directory: string, clusterName: string): Promise<number[]> => {
  const entries = await readdir('/proc').catch(() => undefined)
  if (entries === undefined || !entries.includes('self')) return byTitle(clusterName)
  const pids = entries.filter((entry) => /^\d+$/.test(entry)).map(Number)
  const found = await Promise.all(
    pids.map(async (pid) => {
      if (!(await worksIn(pid, directory))) return []
      const exe = await readlink(`/proc/${pid}/exe`).catch(() => '')
      // An upgraded package leaves the old program as "…/postgres (deleted)".
      return basename(exe.replace(/ \(deleted\)$/, '')) === 'postgres' ? [pid] : []
    }),
  )
  return found.flat()
}

const byTitle = async (clusterName: string): Promise<number[]> => {
  const shown = await run('ps', ['-axo', 'pid=,command=']).catch(() => undefined)
  return (shown?.stdout ?? '')
    .split('\n')
    .filter((line) => line.includes(` postgres: ${clusterName}: `))
    .map((line) => Number.parseInt(line, 10))
}
