import { setTimeout as sleep } from 'node:timers/promises'
import { rankDistance } from '@ashlar/platform/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { PASSWORD, startAuth, type TestAuth } from './support.ts'

/** Chance alone goes beyond it once in a thousand looks; a leak does so in each of three. */
const BEYOND_CHANCE = 3.3
const LOOKS = 3
const KNOWN = 'known-person@example.test'

let it: TestAuth
beforeAll(async () => {
  it = await startAuth({}, { limitsEnabled: false })
  await it.signUp(KNOWN)
})
afterAll(() => it.close())

const doors: Record<string, { path: string; body: (email: string, n: number) => unknown; samples: number }> = {
  login: { path: '/auth/login', body: (email) => ({ email, password: 'certainly not it' }), samples: 80 },
  register: {
    path: '/auth/register',
    body: (email, n) => ({ email, password: `passphrase number ${n}` }),
    samples: 80,
  },
  forgot: { path: '/auth/password/forgot', body: (email) => ({ email }), samples: 200 },
  resend: { path: '/auth/verify-email/resend', body: (email) => ({ email }), samples: 200 },
}

test.each(Object.entries(doors))(
  '%s answers alike and as fast for a known and an unknown address',
  { timeout: 60_000 },
  async (name, { path, body, samples: count }) => {
    const ask = async (isKnown: boolean, n: number): Promise<{ isKnown: boolean; ms: number; answer: string }> => {
      // As long as the known one.
      const email = isKnown ? KNOWN : `${name.slice(0, 4)}-${String(n).padStart(7, '0')}@example.test`
      const began = performance.now()
      const { status, body: answer } = await it.post(path, body(email, n))
      const ms = performance.now() - began
      await sleep(5)
      const { requestId: _request, traceId: _trace, ...visible } = answer
      return { isKnown, ms, answer: JSON.stringify([status, visible]) }
    }
    let asked = 0
    for (let i = 0; i < 15; i++) await ask(i % 2 === 0, asked++)

    const distances: number[] = []
    for (let look = 0; look < LOOKS; look++) {
      const samples: Awaited<ReturnType<typeof ask>>[] = []
      // Pairs in changing order: what slows the machine for a while slows both.
      for (let i = 0; i < count / 2; i++) {
        const knownFirst = (i * 7 + look) % 3 !== 0
        for (const isKnown of [knownFirst, !knownFirst]) samples.push(await ask(isKnown, asked++))
      }
      expect(new Set(samples.map(({ answer }) => answer)).size).toBe(1)
      const times = (isKnown: boolean) => samples.filter((sample) => sample.isKnown === isKnown).map(({ ms }) => ms)
      distances.push(rankDistance(times(true), times(false)))
      if ((distances.at(-1) ?? 0) < BEYOND_CHANCE) return
    }
    expect.fail(`told apart in every look: ${distances.map((distance) => distance.toFixed(1)).join(', ')}`)
  },
)

test('the rank test sees a difference of a tenth, and none where there is none', () => {
  const times = (shift: number, phase: number) =>
    Array.from({ length: 75 }, (_, i) => 10 + shift + ((i * 37 + phase) % 50) / 20)
  expect(rankDistance(times(1, 0), times(0, 13))).toBeGreaterThan(BEYOND_CHANCE)
  expect(rankDistance(times(0, 0), times(0, 13))).toBeLessThan(1)
})

test('whoever is deactivated or not verified is told nothing that a stranger is not', async () => {
  await it.signUp('inactive@example.test')
  await it.sql('UPDATE users SET is_active = false WHERE email = $1', ['inactive@example.test'])
  await it.post('/auth/register', { email: 'pending@example.test', password: PASSWORD })
  const addresses = [KNOWN, 'inactive@example.test', 'pending@example.test', 'nobody@example.test']
  for (const { path, body } of Object.values(doors)) {
    const answers = await Promise.all(addresses.map((email) => it.post(path, body(email, 0))))
    const visible = answers.map(({ status, body: { requestId: _r, traceId: _t, ...rest } }) => [status, rest])
    expect(new Set(visible.map((answer) => JSON.stringify(answer))).size).toBe(1)
  }
})
