import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { createServer } from 'node:net'

/** Clock ticks per second in /proc: fixed at 100 for programs on Linux, whatever the kernel uses itself. */
const TICKS = 100

/** A server that runs in a process of its own, so that its processor time can be told from everybody else's. */
export class Served {
  readonly port: number
  readonly #child: ChildProcess

  private constructor(child: ChildProcess, port: number) {
    this.#child = child
    this.port = port
  }

  /** Starts a program and resolves once it accepts requests on `port`. Its output goes to `log`. */
  static async start(options: {
    file: string
    args: readonly string[]
    port: number
    env: NodeJS.ProcessEnv
    log: string
    readyPath: string
  }): Promise<Served> {
    // Straight into a file: a pipe would have the load generator read every log line.
    const log = openSync(options.log, 'a')
    const child = spawn(options.file, options.args, { env: options.env, stdio: ['ignore', log, log] })
    closeSync(log)
    const served = new Served(child, options.port)
    const endsAtMs = Date.now() + 60_000
    while (!(await answers(options.port, options.readyPath))) {
      if (child.exitCode !== null) throw new Error(`exited with ${child.exitCode}: ${await lastLines(options.log)}`)
      if (Date.now() > endsAtMs) throw new Error(`did not become ready: ${await lastLines(options.log)}`)
      await sleep(10)
    }
    return served
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** Processor time of this process so far, user and system, in seconds. Its children are not in it. */
  async cpuSeconds(): Promise<number> {
    return ticksOf(await readFile(`/proc/${this.pid}/stat`, 'utf8')) / TICKS
  }

  /** Memory that this process holds in RAM, in bytes. */
  async rssBytes(): Promise<number> {
    return rssOf(this.pid)
  }

  /** What its descendants hold together, each shared page counted once per share (PSS), in bytes. */
  async descendantsBytes(): Promise<number> {
    let total = 0
    for (const pid of await descendantsOf(this.pid)) total += await pssOf(pid).catch(() => 0)
    return total
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exit = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    await exit
  }
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

/** The log goes with its folder, so what it said last is told at once. */
const lastLines = async (log: string): Promise<string> => (await readFile(log, 'utf8')).slice(-1_000)

const answers = (port: number, path: string): Promise<boolean> =>
  fetch(`http://127.0.0.1:${port}${path}`).then(
    async (response) => {
      await response.arrayBuffer()
      return response.ok
    },
    () => false,
  )

/** utime and stime, the 14th and 15th field of proc_pid_stat(5); the 2nd is in brackets and may hold spaces. */
const ticksOf = (stat: string): number => {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return Number(fields[11]) + Number(fields[12])
}

const kilobytes = (text: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0)

const rssOf = async (pid: number): Promise<number> =>
  kilobytes(await readFile(`/proc/${pid}/status`, 'utf8'), 'VmRSS') * 1024

const pssOf = async (pid: number): Promise<number> =>
  kilobytes(await readFile(`/proc/${pid}/smaps_rollup`, 'utf8'), 'Pss') * 1024

const descendantsOf = async (root: number): Promise<number[]> => {
  const parents = new Map<number, number>()
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const stat = await readFile(`/proc/${name}/stat`, 'utf8').catch(() => '')
    if (stat !== '') parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]))
  }
  const isBelow = (pid: number): boolean => {
    for (let at = parents.get(pid); at !== undefined && at > 1; at = parents.get(at)) if (at === root) return true
    return false
  }
  return [...parents.keys()].filter(isBelow)
}
