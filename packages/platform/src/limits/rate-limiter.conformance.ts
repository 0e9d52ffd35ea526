import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Limit, RateLimiter } from './port.ts'

/** What a suite needs of an adapter: a fresh limiter, and a way to let its own kind of time pass. */
export type LimiterUnderTest = { limiter: RateLimiter; pass(ms: number): Promise<void> }

/** The promises of the `RateLimiter` port. Every adapter runs it. */
export const rateLimiterConformance = (adapter: string, open: () => Promise<LimiterUnderTest>): void => {
  describe(`RateLimiter · ${adapter}`, () => {
    const limit: Limit = { name: 'suite', quota: 5, windowMs: 1_000 }
    let limiter: RateLimiter
    let pass: (ms: number) => Promise<void>
    const take = (times: number, key = 'a', of = limit) =>
      Promise.all(Array.from({ length: times }, () => limiter.take(of, key)))
    const allowed = (verdicts: { allowed: boolean }[]) => verdicts.filter((verdict) => verdict.allowed).length

    beforeEach(async () => {
      ;({ limiter, pass } = await open())
    })
    afterEach(() => limiter.close())

    test('allows exactly the quota in one window, however many ask at once', async () => {
      expect(allowed(await take(50))).toBe(5)
      expect(allowed(await take(50))).toBe(0)
    })

    test('tells what is left, and nothing below zero', async () => {
      const verdicts = await take(7)
      expect(verdicts.map((verdict) => verdict.remaining).sort()).toEqual([0, 0, 0, 1, 2, 3, 4])
      expect(verdicts.every((verdict) => verdict.quota === 5)).toBe(true)
    })

    test('gives the whole quota back when the window ends, not earlier', async () => {
      await take(5)
      await pass(700)
      const [early] = await take(1)
      expect(early).toMatchObject({ allowed: false, remaining: 0 })
      expect(early?.resetMs).toBeGreaterThan(0)
      expect(early?.resetMs).toBeLessThanOrEqual(300)
      await pass(early?.resetMs ?? 0)
      expect(allowed(await take(9))).toBe(5)
    })

    test('a refused request does not prolong the window', async () => {
      await take(5)
      await pass(600)
      await take(20)
      await pass(401)
      expect(allowed(await take(1))).toBe(1)
    })

    test('keys do not share a count', async () => {
      await take(5, 'a')
      expect(allowed(await take(5, 'b'))).toBe(5)
    })

    test('limits of different names do not share a count', async () => {
      await take(5)
      expect(allowed(await take(5, 'a', { ...limit, name: 'other' }))).toBe(5)
    })
  })
}
