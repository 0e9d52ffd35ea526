import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort, Served, sleep } from './processes.ts'

const cli = join(import.meta.dirname, '../apps/server/src/cli.ts')

/** The environment without what would make a server another one than a user's. */
const plainEnvironment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(ASHLAR_|NODE_)/.test(name)))

export type Person = { email: string; password: string; accessToken: string; refreshToken: string }

/** A whole Ashlar as a user starts it: one process, its own data directory and PostgreSQL, every check switched on. */
export class Ashlar {
  readonly served: Served
  /** How long it took from the start of the process to readiness. */
  readonly startMs: number
  readonly #env: NodeJS.ProcessEnv

  private constructor(served: Served, startMs: number, env: NodeJS.ProcessEnv) {
    this.served = served
    this.startMs = startMs
    this.#env = env
  }

  static async start(folder: string): Promise<Ashlar> {
    const port = await freePort()
    const env = {
      ...plainEnvironment(),
      ASHLAR_DATA_DIR: join(folder, 'data'),
      ASHLAR_PORT: String(port),
      // Limits are asked as always; one address and one person stand for many here.
      ASHLAR_RATE_LIMIT_PER_MINUTE: '1000000',
      ASHLAR_RATE_LIMIT_USER_PER_MINUTE: '1000000',
      ASHLAR_RATE_LIMIT_ENDPOINTS: 'login=100000/60,register=100000/60',
      // What it can do is measured, not when it begins to refuse.
      ASHLAR_GATEWAY_SHED_DELAY_MS: '60000',
    }
    const beganMs = performance.now()
    const served = await Served.start({
      file: process.execPath,
      args: [cli, 'start'],
      port,
      env,
      log: join(folder, 'ashlar.log'),
      readyPath: '/readyz',
    })
    return new Ashlar(served, performance.now() - beganMs, env)
  }

  /** The URL of an administrative role of a database. */
  async databaseUrl(name: string): Promise<string> {
    const { stdout } = await promisify(execFile)(process.execPath, [cli, 'db', 'url', name], { env: this.#env })
    return stdout.trim().split('\n').at(-1) ?? ''
  }

  async call(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    const response = await fetch(`http://localhost:${this.served.port}${path}`, {
      method,
      ...(body !== undefined && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}: ${text}`)
    return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
  }

  /** Registers somebody, confirms the address from the development mailbox and signs in. */
  async newPerson(): Promise<Person> {
    const email = `${randomUUID()}@example.com`
    const password = `a fine password ${randomUUID()}`
    await this.call('POST', '/auth/register', { email, password, firstName: 'Pat', lastName: 'Doe' })
    const token = await this.#mailedToken(email)
    await this.call('POST', '/auth/verify-email', { token })
    return this.signIn({ email, password })
  }

  async signIn({ email, password }: { email: string; password: string }): Promise<Person> {
    const { accessToken, refreshToken } = await this.call('POST', '/auth/login', { email, password })
    return { email, password, accessToken: String(accessToken), refreshToken: String(refreshToken) }
  }

  /** Resolves when nothing that was asked before is still being worked off. */
  async settle(): Promise<void> {
    for (let at = 0; at < 40; at += 1) {
      const before = await this.served.cpuSeconds()
      await sleep(250)
      if ((await this.served.cpuSeconds()) - before < 0.03) return
    }
  }

  async #mailedToken(email: string): Promise<string> {
    for (let at = 0; at < 200; at += 1) {
      const { data } = await this.call('GET', `/dev/mailbox/messages?to=${encodeURIComponent(email)}`)
      const link = (data as { links: string[] }[])[0]?.links[0]
      if (link !== undefined) return new URL(link).searchParams.get('token') ?? ''
      await sleep(50)
    }
    throw new Error(`no mail came to ${email}`)
  }
}
