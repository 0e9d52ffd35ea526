import { Agent, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Instance, sleep, until } from './support/instance.ts'
import { call, newPerson, order, type Person } from './support/person.ts'

let instance: Instance
let person: Person

beforeAll(async () => {
  instance = await Instance.create({ ASHLAR_LOG_LEVEL: 'error', ASHLAR_GATEWAY_HEADERS_SECONDS: '3' })
  await instance.start()
  person = await newPerson(instance)
})

afterAll(() => instance.remove())

type Answered = { path: string; status: number; retryAfter: string | undefined; ms: number }

const ask = (agent: Agent, method: string, path: string, body?: unknown): Promise<Answered> =>
  new Promise((resolve, reject) => {
    const started = performance.now()
    const outgoing = request(
      `${instance.url}${path}`,
      {
        method,
        agent,
        headers: {
          authorization: `Bearer ${person.accessToken}`,
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
      },
      (response) => {
        response.resume()
        response.on('end', () =>
          resolve({
            path,
            status: response.statusCode ?? 0,
            retryAfter: response.headers['retry-after'],
            ms: performance.now() - started,
          }),
        )
      },
    )
    outgoing.on('error', reject)
    outgoing.end(body === undefined ? undefined : JSON.stringify(body))
  })

test('two hundred clients that never finish their headers keep nobody waiting, and are cut off', async () => {
  const sockets: Socket[] = []
  let closed = 0
  for (let i = 0; i < 200; i++) {
    const socket = connect(instance.port, '127.0.0.1', () => socket.write('GET /auth/validate HTTP/1.1\r\nHost: loc'))
    socket.on('close', () => closed++)
    socket.on('error', () => undefined)
    sockets.push(socket)
  }
  const trickle = setInterval(() => {
    for (const socket of sockets) if (socket.writable) socket.write('a')
  }, 500)
  await until('the sockets', async () => (sockets.every(({ connecting }) => !connecting) ? true : undefined))
  const times: number[] = []
  for (let i = 0; i < 50; i++) {
    const started = performance.now()
    expect((await call(instance, 'GET', '/auth/validate', { token: person.accessToken })).status).toBe(200)
    times.push(performance.now() - started)
  }
  expect(times.sort((a, b) => a - b)[25]).toBeLessThan(1_000)
  await until('the slow clients to be cut off', async () => (closed === 200 ? true : undefined), 30_000)
  clearInterval(trickle)
})

test('far more logins than can be hashed: readiness stays honest, the rest is refused at once', {
  timeout: 120_000,
}, async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 400 })
  const answered: Answered[] = []
  const readiness: Answered[] = []
  let running = true
  const login = { email: person.email, password: person.password }
  const loops = Array.from({ length: 200 }, async () => {
    while (running) answered.push(await ask(agent, 'POST', '/auth/login', login))
  })
  const others = Array.from({ length: 4 }, async () => {
    while (running) answered.push(await ask(agent, 'GET', '/payments'))
  })
  const probe = (async () => {
    const own = new Agent({ keepAlive: true })
    while (running) {
      readiness.push(await ask(own, 'GET', '/readyz'))
      await sleep(100)
    }
    own.destroy()
  })()
  await sleep(8_000)
  running = false
  await Promise.all([...loops, ...others, probe])
  agent.destroy()

  const of = (status: number) => answered.filter((one) => one.status === status)
  expect([...new Set(answered.map(({ status }) => status))].sort()).toEqual([200, 503])
  expect(of(200).filter(({ path }) => path === '/auth/login').length).toBeGreaterThan(20)
  expect(of(503).length).toBeGreaterThan(50)
  for (const { retryAfter } of of(503)) expect(Number(retryAfter)).toBeGreaterThan(0)
  // What is admitted is answered, and an orchestrator that asks is never left without an answer.
  expect(Math.max(...of(200).map(({ ms }) => ms))).toBeLessThan(10_000)
  expect(readiness.length).toBeGreaterThan(5)
  expect(Math.max(...readiness.map(({ ms }) => ms))).toBeLessThan(5_000)
  for (const { status } of readiness) expect([200, 503]).toContain(status)
  await until('readiness after the storm', async () =>
    (await call(instance, 'GET', '/readyz')).status === 200 ? true : undefined,
  )
})

test('five times the possible load of writes: what is admitted is done once, the rest says when to come back', {
  timeout: 120_000,
}, async () => {
  const created = new Set<string>()
  const statuses = new Map<number, number>()
  let withoutRetry = 0
  let running = true
  const loops = Array.from({ length: 150 }, async (_, client) => {
    for (let round = 0; running; round++) {
      const answer = await call(instance, 'POST', '/payments/create', {
        token: person.accessToken,
        key: `storm-${client}-${round}`,
        body: order('1.00'),
      })
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
      if (answer.status === 201) created.add(answer.body.transactionId as string)
      else if (answer.headers.get('retry-after') === null) withoutRetry++
    }
  })
  await sleep(6_000)
  running = false
  await Promise.all(loops)
  expect([...statuses.keys()].filter((status) => status !== 201 && status !== 503)).toEqual([])
  expect(withoutRetry).toBe(0)
  expect(created.size).toBe(statuses.get(201))
  await until('readiness after the storm', async () =>
    (await call(instance, 'GET', '/readyz')).status === 200 ? true : undefined,
  )
})
