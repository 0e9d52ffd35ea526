import { randomUUID } from 'node:crypto'
import { rankDistance } from '@ashlar/platform/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Instance, sleep, until } from './support/instance.ts'
import { call, newPerson, type Person } from './support/person.ts'
import { seeded } from './support/random.ts'

const SAMPLES = 300
/** In standard deviations: one look in a thousand is beyond it by chance, three looks in a row once in a billion runs. */
const FAR = 3.3
const LOOKS = 3

let instance: Instance
let known: Person

beforeAll(async () => {
  instance = await Instance.create({ ASHLAR_LOG_LEVEL: 'error' })
  await instance.start()
  known = await newPerson(instance)
})

afterAll(() => instance.remove())

/** Of the same length as the known one: what differs is only whether it is known. */
const stranger = (): string => known.email.replace(/[0-9a-f-]{36}/, randomUUID())

const doors: Record<string, { path: string; body: (email: string) => unknown }> = {
  login: { path: '/auth/login', body: (email) => ({ email, password: 'certainly not the password' }) },
  registration: {
    path: '/auth/register',
    body: (email) => ({ email, password: `a fresh passphrase ${randomUUID()}` }),
  },
  'forgotten password': { path: '/auth/password/forgot', body: (email) => ({ email }) },
}

type Sample = { known: boolean; ms: number; answer: string }

/** Everything of an answer that a stranger sees, without what differs from request to request. */
const visible = ({ status, body, headers }: Awaited<ReturnType<typeof call>>): string => {
  const { requestId: _id, traceId: _trace, ...rest } = body
  return JSON.stringify([status, rest, [...headers.keys()].sort()])
}

const look = async (door: { path: string; body: (email: string) => unknown }, seed: number): Promise<Sample[]> => {
  const chance = seeded(seed)
  const plan = Array.from({ length: SAMPLES }, (_, i) => i % 2 === 0).sort(() => chance() - 0.5)
  const samples: Sample[] = []
  for (const isKnown of plan) {
    const body = door.body(isKnown ? known.email : stranger())
    const started = performance.now()
    const answer = await call(instance, 'POST', door.path, { body })
    samples.push({ known: isKnown, ms: performance.now() - started, answer: visible(answer) })
    // What the request set going behind its answer may not count against the next one.
    await sleep(15)
  }
  return samples
}

test.each(Object.entries(doors))(
  '%s answers the same for a known and an unknown address, and takes the same time',
  { timeout: 180_000 },
  async (_name, door) => {
    for (let warm = 0; warm < 20; warm++) await call(instance, 'POST', door.path, { body: door.body(stranger()) })
    const found: number[] = []
    await until(
      'two samples that no rank test tells apart',
      async () => {
        if (found.length === LOOKS) throw new Error(`${found.join(', ')} standard deviations apart`)
        const samples = await look(door, 7 + found.length)
        expect(new Set(samples.map(({ answer }) => answer)).size).toBe(1)
        const times = (isKnown: boolean) => samples.filter((s) => s.known === isKnown).map(({ ms }) => ms)
        found.push(rankDistance(times(true), times(false)))
        return (found.at(-1) ?? FAR) < FAR ? true : undefined
      },
      170_000,
    )
  },
)

test('the rank test tells a millisecond of difference', () => {
  const chance = seeded(3)
  const times = (shift: number) => Array.from({ length: 150 }, () => 20 + shift + chance() * 4)
  expect(rankDistance(times(0), times(1))).toBeGreaterThan(FAR)
  expect(rankDistance(times(0), times(0))).toBeLessThan(FAR)
})
