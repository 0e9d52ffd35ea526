import { describe, expect, test } from 'vitest'
import { limitHeaders } from './headers.ts'
import { createMemoryLimiter } from './memory.ts'
import type { Limit } from './port.ts'
import { rateLimiterConformance } from './rate-limiter.conformance.ts'

const handClock = () => {
  let now = 5_000
  return {
    nowMs: () => now,
    pass: async (ms: number) => {
      now += ms
    },
  }
}

rateLimiterConformance('memory', async () => {
  const clock = handClock()
  return { limiter: createMemoryLimiter({ nowMs: clock.nowMs }), pass: clock.pass }
})

describe('memory limiter', () => {
  const limit: Limit = { name: 'ip', quota: 2, windowMs: 60_000 }

  test('a flood of keys does not grow it beyond its bound, and the newest keys keep their count', async () => {
    const limiter = createMemoryLimiter({ maxKeys: 10 })
    for (let key = 0; key < 1_000; key += 1) await limiter.take(limit, `k${key}`)
    expect(limiter.size()).toBe(10)
    await limiter.take(limit, 'k999')
    expect((await limiter.take(limit, 'k999')).allowed).toBe(false)
    expect((await limiter.take(limit, 'k0')).remaining).toBe(1)
  })

  test('forgets windows that ended', async () => {
    const clock = handClock()
    const limiter = createMemoryLimiter({ nowMs: clock.nowMs })
    for (let key = 0; key < 100; key += 1) await limiter.take(limit, `k${key}`)
    await clock.pass(60_000)
    await limiter.take(limit, 'later')
    expect(limiter.size()).toBe(1)
  })

  test('headers say the policy, what is left, and on a refusal when to come back', async () => {
    const clock = handClock()
    const limiter = createMemoryLimiter({ nowMs: clock.nowMs })
    const first = limitHeaders(limit, await limiter.take(limit, 'a'))
    expect(first).toEqual({
      'ratelimit-policy': '"ip";q=2;w=60',
      ratelimit: '"ip";r=1;t=60',
      'x-ratelimit-limit': '2',
      'x-ratelimit-remaining': '1',
      'x-ratelimit-reset': '60',
    })
    await limiter.take(limit, 'a')
    await clock.pass(17_600)
    expect(limitHeaders(limit, await limiter.take(limit, 'a'))).toMatchObject({
      ratelimit: '"ip";r=0;t=43',
      'retry-after': '43',
    })
  })
})
