import { err, ok, type Result } from '@ashlar/kernel'
import { createMetrics } from '@ashlar/platform/telemetry'
import { createFakeClock, type FakeClock } from '@ashlar/platform/testing'
import { beforeEach, expect, test } from 'vitest'
import type { EmailAddress } from '../domain/email.ts'
import { createGuessThrottle, type GuessLimits } from './guess-throttle.ts'

const MINUTE = 60_000
let clock: FakeClock
let pauses: number[]
let looked: number

const open = (changes: Partial<GuessLimits> = {}) => {
  const limits = { tries: 5, windowMs: 15 * MINUTE, freeTries: 10, maxPauseMs: 2_000, maxTracked: 1_000, ...changes }
  const metrics = createMetrics({ service: 'test' })
  const pause = async (ms: number) => pauses.push(ms)
  const { guardSecret, forgiveGuesses } = createGuessThrottle({
    limits,
    hashIdentifier: (email) => Buffer.from(email).toString('hex'),
    clock,
    metrics,
    pause,
  })
  const about = (email: string, ip: string) => ({ email: email as EmailAddress, ip })
  type Outcome = Result<string, 'credentials_invalid' | 'overloaded'>
  const attempt = async (outcome: Outcome, email = 'ada@example.test', ip = '192.0.2.1') => {
    const result = await guardSecret(about(email, ip), async () => {
      looked++
      await new Promise((resolve) => setImmediate(resolve))
      return outcome
    })
    if (result.ok) return 'right'
    return typeof result.error === 'string' ? result.error : `after ${result.error.retryAfterSeconds}`
  }
  const tracked = async () => (await metrics.registry.getSingleMetric('auth_guesses_tracked')?.get())?.values[0]?.value
  return {
    wrong: (email?: string, ip?: string) => attempt(err('credentials_invalid'), email, ip),
    right: (email?: string, ip?: string) => attempt(ok('in'), email, ip),
    busy: (email?: string, ip?: string) => attempt(err('overloaded'), email, ip),
    guardSecret,
    forgive: (email: string, ip: string) => forgiveGuesses(about(email, ip)),
    about,
    tracked,
  }
}
const times = <T>(count: number, work: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, i) => work(i)))

beforeEach(() => {
  clock = createFakeClock()
  pauses = []
  looked = 0
})

test('five wrong tries, then none is looked at until the first of them is a quarter of an hour old', async () => {
  const { wrong, right } = open()
  for (let i = 0; i < 5; i++) {
    expect(await wrong()).toBe('credentials_invalid')
    clock.advance(MINUTE)
  }
  // The right password too: whoever guesses must not learn that he has found it.
  expect(await right()).toBe('after 600')
  expect(looked).toBe(5)
  clock.advance(10 * MINUTE - 1)
  expect(await right()).toBe('after 1')
  clock.advance(1)
  expect(await wrong()).toBe('credentials_invalid')
  expect(await wrong()).toBe('after 60')
})

test('of a hundred wrong tries at once exactly five are looked at', async () => {
  const { wrong } = open()
  const answers = await times(100, () => wrong())
  expect(answers.filter((answer) => answer === 'credentials_invalid')).toHaveLength(5)
  expect(answers.filter((answer) => answer === 'after 900')).toHaveLength(95)
  expect(looked).toBe(5)
})

test('a hundred right tries at once are all let through, some after others', async () => {
  const { right } = open()
  expect(new Set(await times(100, () => right()))).toEqual(new Set(['right']))
})

test('success forgives the wrong tries before it', async () => {
  const { wrong, right } = open()
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 4; i++) expect(await wrong()).toBe('credentials_invalid')
    expect(await right()).toBe('right')
  }
})

test('what was not looked at, or broke, is no try', async () => {
  const { wrong, busy, guardSecret, about } = open()
  for (let i = 0; i < 20; i++) expect(await busy()).toBe('overloaded')
  const broken = () => guardSecret(about('ada@example.test', '192.0.2.1'), () => Promise.reject(new Error('gone')))
  for (let i = 0; i < 20; i++) await expect(broken()).rejects.toThrow('gone')
  for (let i = 0; i < 5; i++) expect(await wrong()).toBe('credentials_invalid')
  expect(await wrong()).toMatch(/^after/)
})

test('networks and identifiers are counted apart, addresses of one network together', async () => {
  const { wrong } = open()
  for (let i = 0; i < 5; i++) await wrong('ada@example.test', `192.0.2.${i}`)
  expect(await wrong('ada@example.test', '192.0.2.77')).toMatch(/^after/)
  expect(await wrong('ada@example.test', '192.0.3.77')).toBe('credentials_invalid')
  expect(await wrong('bob@example.test', '192.0.2.77')).toBe('credentials_invalid')

  for (let i = 0; i < 5; i++) await wrong('eve@example.test', `2001:db8:1:2::${i}`)
  expect(await wrong('eve@example.test', '2001:db8:1:2:ffff::1')).toMatch(/^after/)
  expect(await wrong('eve@example.test', '2001:db8:1:3::1')).toBe('credentials_invalid')
})

test('a thousand networks that guess at once slow the owner, never keep him out, and do not fill the server', async () => {
  const { wrong, right } = open()
  const answers = await times(1_000, (i) => wrong('ada@example.test', `10.${i >> 8}.${i & 255}.1`))
  expect(new Set(answers)).toEqual(new Set(['credentials_invalid']))
  // The others go on to the hash queue, which takes no more of them than it can.
  expect(pauses.length).toBe(100)
  expect(Math.max(...pauses)).toBeLessThanOrEqual(2_000)
  // Those that came together do not go on together.
  expect(new Set(pauses).size).toBeGreaterThan(20)

  pauses = []
  expect(await right('ada@example.test', '192.0.2.1')).toBe('right')
  expect(pauses).toHaveLength(1)
  expect(pauses[0]).toBeLessThanOrEqual(2_000)
  pauses = []
  expect(await right('bob@example.test', '192.0.2.1')).toBe('right')
  expect(pauses).toEqual([])
})

test('whoever mistypes and gets in at last is not slowed the next time', async () => {
  const { wrong, right } = open()
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 4; i++) await wrong()
    await right()
  }
  expect(pauses).toEqual([])
})

test('a flood of identifiers takes no more memory than its bound, and what is recent stays counted', async () => {
  const { wrong, tracked } = open({ maxTracked: 100 })
  for (let i = 0; i < 3_000; i++) await wrong(`flood${i}@example.test`)
  expect(await tracked()).toBeLessThanOrEqual(200)
  for (let i = 0; i < 5; i++) await wrong()
  for (let i = 0; i < 90; i++) await wrong(`again${i}@example.test`)
  expect(await wrong()).toMatch(/^after/)
})

test('what is old is forgotten, also where nobody asks for it again', async () => {
  const { wrong, tracked } = open()
  for (let i = 0; i < 500; i++) await wrong(`once${i}@example.test`)
  expect(await tracked()).toBe(1_000)
  clock.advance(15 * MINUTE)
  await wrong('later@example.test')
  expect(await tracked()).toBe(2)
})

test('whoever proves himself in another way may try again at once', async () => {
  const { wrong, right, forgive } = open()
  for (let i = 0; i < 5; i++) await wrong()
  forgive('ada@example.test', '198.51.100.1')
  expect(await right()).toMatch(/^after/)
  forgive('ada@example.test', '192.0.2.99')
  expect(await right()).toBe('right')
})
