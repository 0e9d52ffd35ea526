import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

export const root = join(import.meta.dirname, '../..')
const cli = join(root, 'apps/server/src/cli.ts')

export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Asks until the answer is not undefined; a failure to ask counts as no answer. */
export const until = async <T>(what: string, ask: () => Promise<T | undefined>, timeoutMs = 20_000): Promise<T> => {
  const deadline = Date.now() + timeoutMs
  let last: unknown
  while (Date.now() < deadline) {
    try {
      const answer = await ask()
      if (answer !== undefined) return answer
    } catch (error) {
      last = error
    }
    await sleep(50)
  }
  throw new Error(`waited ${timeoutMs} ms in vain for ${what}`, { cause: last })
}

/** The PostgreSQL servers (not their backends) that work below a folder. */
export const postgresServersBelow = async (folder: string): Promise<number[]> => {
  const found = new Map<number, number>()
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    try {
      const argv = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split('\0')
      if (!argv[0]?.endsWith('/postgres') || !argv.includes('-D')) continue
      const directory = argv[argv.indexOf('-D') + 1] ?? ''
      const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => '')
      if (!directory.startsWith(folder) && !cwd.startsWith(folder)) continue
      const afterName = (await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ').at(-1) ?? ''
      found.set(Number(pid), Number(afterName.split(' ')[1]))
    } catch {
      // It ended while we looked.
    }
  }
  // A backend has the words of its server until it gives itself its own title.
  return [...found].filter(([, parent]) => !found.has(parent)).map(([pid]) => pid)
}

export type Run = { code: number; stdout: string; stderr: string }

/** One Ashlar in a scratch directory, started as a user starts it: a process, a port, nothing shared. */
export class Instance {
  readonly dataDir: string
  readonly port: number
  readonly env: NodeJS.ProcessEnv
  process: ChildProcess | undefined
  logs = ''

  private constructor(dataDir: string, port: number, env: NodeJS.ProcessEnv) {
    this.dataDir = dataDir
    this.port = port
    this.env = env
  }

  static async create(settings: Record<string, string> = {}): Promise<Instance> {
    const dataDir = await mkdtemp(join(tmpdir(), 'ashlar-'))
    const port = await freePort()
    const inherited = Object.entries(process.env).filter(([name]) => !/^(ASHLAR_|VITEST|NODE_ENV)/.test(name))
    const own = {
      ASHLAR_DATA_DIR: join(dataDir, 'data'),
      ASHLAR_PORT: String(port),
      ASHLAR_RATE_LIMIT_ENABLED: 'false',
      ASHLAR_NOTIFICATIONS_RATE_SECONDS: '0',
    }
    return new Instance(join(dataDir, 'data'), port, { ...Object.fromEntries(inherited), ...own, ...settings })
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  /** Starts the server and resolves once it says that it is ready. Answers how long that took, in ms. */
  async start(): Promise<number> {
    const started = Date.now()
    const child = spawn(process.execPath, [cli, 'start'], {
      cwd: root,
      env: this.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.process = child
    const collect = (chunk: Buffer): void => {
      this.logs = (this.logs + chunk.toString('utf8')).slice(-4_000_000)
    }
    child.stdout?.on('data', collect)
    child.stderr?.on('data', collect)
    let exited: number | string | null | undefined
    child.once('exit', (code, signal) => {
      exited = code ?? signal
    })
    await until(
      'readiness',
      async () => {
        if (exited !== undefined) return exited
        const response = await fetch(`${this.url}/readyz`)
        await response.arrayBuffer()
        return response.ok ? true : undefined
      },
      60_000,
    )
    if (exited !== undefined) throw new Error(`the server exited with ${exited}:\n${this.logs.slice(-4_000)}`)
    return Date.now() - started
  }

  /** Sends a signal and answers how the process ended: its exit code, or the signal's name. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> {
    const child = this.process
    if (!child || child.exitCode !== null || child.signalCode !== null)
      return child?.exitCode ?? child?.signalCode ?? 'none'
    const exit = once(child, 'exit')
    child.kill(signal)
    const [code, name] = (await exit) as [number | null, string | null]
    return code ?? name ?? 'none'
  }

  /** A command of the command line, against this data directory. */
  async command(args: string[], input = ''): Promise<Run> {
    const running = promisify(execFile)(process.execPath, [cli, ...args], {
      cwd: root,
      env: this.env,
      maxBuffer: 64 * 1024 * 1024,
    })
    running.child.stdin?.end(input)
    try {
      const { stdout, stderr } = await running
      return { code: 0, stdout, stderr }
    } catch (error) {
      const { code, stdout = '', stderr = '' } = error as { code: number; stdout?: string; stderr?: string }
      return { code, stdout, stderr }
    }
  }

  /** The administrative URL of a database, as `ashlar db url` prints it. */
  async databaseUrl(name: string): Promise<string> {
    const { code, stdout, stderr } = await this.command(['db', 'url', name])
    if (code !== 0) throw new Error(stderr)
    return stdout.trim().split('\n').at(-1) ?? ''
  }

  /** Ends what still runs and removes every trace. */
  async remove(): Promise<void> {
    await this.end('SIGTERM')
    await rm(join(this.dataDir, '..'), { recursive: true, force: true, maxRetries: 5 })
  }
}
