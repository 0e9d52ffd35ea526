import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Instance, postgresServersBelow, sleep, until } from './support/instance.ts'
import { call, newPerson, type Person } from './support/person.ts'

let instance: Instance
let person: Person
let firstStartMs: number

beforeAll(async () => {
  instance = await Instance.create()
  firstStartMs = await instance.start()
  person = await newPerson(instance)
})

afterAll(() => instance.remove())

const residentMegabytes = async (pid: number): Promise<number> => {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024
}

test('the first start, a later start and idle memory stay within what is promised', async () => {
  expect(await instance.end('SIGTERM')).toBe(0)
  const laterStartMs = await instance.start()
  await sleep(2_000)
  const idle = await residentMegabytes(instance.process?.pid ?? 0)
  console.log(`first start ${firstStartMs} ms, later start ${laterStartMs} ms, idle ${idle.toFixed(0)} MB`)
  expect(firstStartMs).toBeLessThan(15_000)
  expect(laterStartMs).toBeLessThan(10_000)
  expect(idle).toBeLessThan(250)
})

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s under load: accepted requests are answered, exit 0, nothing left',
  async (signal) => {
    if (instance.process?.exitCode !== null) await instance.start()
    let stopping = false
    const failures: string[] = []
    let answered = 0
    const client = async (): Promise<void> => {
      while (!stopping) {
        try {
          const { status } = await call(instance, 'POST', '/auth/login', {
            body: { email: person.email, password: person.password },
          })
          answered++
          if (status !== 200 && status !== 503) failures.push(`answered ${status}`)
        } catch (error) {
          // A connection that was refused was never accepted; one that broke after the request was sent was.
          const cause = (error as { cause?: { code?: string } }).cause?.code
          if (cause !== 'ECONNREFUSED') failures.push(`broken: ${cause ?? String(error)}`)
          return
        }
      }
    }
    const clients = Array.from({ length: 6 }, client)
    await sleep(800)
    const exit = instance.end(signal)
    // Ctrl-C under npm is delivered twice.
    if (signal === 'SIGINT') instance.process?.kill(signal)
    expect(await exit).toBe(0)
    stopping = true
    await Promise.all(clients)
    expect(failures).toEqual([])
    expect(answered).toBeGreaterThan(0)
    expect(await postgresServersBelow(instance.dataDir)).toEqual([])
  },
)

test('a second Ashlar on the same data directory refuses and names the process', async () => {
  if (instance.process?.exitCode !== null) await instance.start()
  const second = await instance.command(['start'])
  expect(second.code).toBe(1)
  expect(second.stderr).toContain(String(instance.process?.pid))
  expect(await postgresServersBelow(instance.dataDir)).toHaveLength(1)
})

test('PostgreSQL killed: 503 with Retry-After, serving again without a restart, nothing lost', async () => {
  if (instance.process?.exitCode !== null) await instance.start()
  const [server] = await postgresServersBelow(instance.dataDir)
  const acknowledged = await newPerson(instance, 'before')
  process.kill(server ?? 0, 'SIGKILL')

  const refusals: { status: number; retryAfter: string | null; code: unknown }[] = []
  const killedAt = Date.now()
  await until('service after the kill', async () => {
    const { status, body, headers } = await call(instance, 'POST', '/auth/login', {
      body: { email: acknowledged.email, password: acknowledged.password },
    })
    if (status === 200) return true
    refusals.push({ status, retryAfter: headers.get('retry-after'), code: body.code })
    return undefined
  })
  console.log(`serving again after ${Date.now() - killedAt} ms, ${refusals.length} refusals meanwhile`)
  for (const refusal of refusals) {
    expect(refusal).toEqual({ status: 503, retryAfter: expect.stringMatching(/^\d+$/), code: 'dependency_unavailable' })
  }
  expect(Date.now() - killedAt).toBeLessThan(15_000)
  await newPerson(instance, 'after')
  await until('readiness', async () => ((await call(instance, 'GET', '/readyz')).status === 200 ? true : undefined))
})

test('durability is on', async () => {
  const client = new pg.Client({ connectionString: await instance.databaseUrl('payments') })
  await client.connect()
  for (const setting of ['fsync', 'synchronous_commit', 'full_page_writes']) {
    const { rows } = await client.query(`SHOW ${setting}`)
    expect(rows).toEqual([{ [setting]: 'on' }])
  }
  await client.end()
})

test('every log line is JSON and names its service and message', async () => {
  const lines = instance.logs.split('\n').slice(1, -1)
  expect(lines.length).toBeGreaterThan(10)
  for (const line of lines) {
    expect(JSON.parse(line)).toMatchObject({
      timestamp: expect.stringMatching(/Z$/),
      level: expect.stringMatching(/^(error|warn|info|debug)$/),
      service: expect.stringMatching(/-service$/),
      message: expect.any(String),
    })
  }
})
