import { request } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Instance } from './support/instance.ts'
import { newPerson, type Person } from './support/person.ts'

let instance: Instance
let owner: Person

beforeAll(async () => {
  instance = await Instance.create({ ASHLAR_LOG_LEVEL: 'error', ASHLAR_RATE_LIMIT_ENABLED: 'true' })
  await instance.start()
  owner = await newPerson(instance, 'owner')
})

afterAll(() => instance.remove())

type Outcome = { status: number; code: string; retryAfter: string | undefined; ms: number }

/** A login from an address of its own: all of 127.0.0.0/8 is this machine, and each /24 of it is a network. */
const loginFrom = (localAddress: string, password: string, email = owner.email): Promise<Outcome> =>
  new Promise((resolve, reject) => {
    const started = performance.now()
    const outgoing = request(
      `${instance.url}/auth/login`,
      { method: 'POST', localAddress, headers: { 'content-type': 'application/json' }, agent: false },
      (response) => {
        let text = ''
        response.setEncoding('utf8')
        response.on('data', (chunk: string) => {
          text += chunk
        })
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            code: String((JSON.parse(text) as { code?: string }).code),
            retryAfter: response.headers['retry-after'],
            ms: performance.now() - started,
          }),
        )
      },
    )
    outgoing.on('error', reject)
    outgoing.end(JSON.stringify({ email, password }))
  })

test('guesses from one network end after five, and the network gets no further with the right password', async () => {
  const tries = await Promise.all(
    Array.from({ length: 12 }, (_, i) => loginFrom(`127.9.9.${i + 1}`, `guess number ${i}`)),
  )
  expect(tries.filter(({ status }) => status === 401)).toHaveLength(5)
  const stopped = tries.filter(({ status }) => status === 429)
  expect(stopped).toHaveLength(7)
  for (const { code, retryAfter } of stopped) {
    expect(code).toBe('rate_limited')
    expect(Number(retryAfter)).toBeGreaterThan(0)
  }
  expect((await loginFrom('127.9.9.77', owner.password)).status).toBe(429)
})

test('while sixty networks guess, the owner gets in from elsewhere', { timeout: 120_000 }, async () => {
  const networks = Array.from({ length: 60 }, (_, i) => `127.77.${i}.5`)
  const attack = (async () => {
    for (let i = 0; i < 5; i++) await Promise.all(networks.map((network) => loginFrom(network, `wrong ${i}`)))
  })()
  const inside = await loginFrom('127.200.1.1', owner.password)
  expect(inside.status).toBe(200)
  await attack
  const after = await loginFrom('127.201.1.1', owner.password)
  expect(after.status).toBe(200)
  expect(after.ms).toBeLessThan(10_000)
})
