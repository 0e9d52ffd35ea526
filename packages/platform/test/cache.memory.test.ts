import { expect, test } from 'vitest'
import { createMemoryCache } from '../src/cache/index.ts'
import { createMetrics } from '../src/telemetry/index.ts'
import { cacheConformance } from './cache.conformance.ts'

cacheConformance('memory', async () => {
  let nowMs = 1
  return {
    cache: createMemoryCache<unknown>({ name: 'suite', max: 8, ttlMs: 1_000, nowMs: () => nowMs }),
    ttlMs: 1_000,
    pass: async (ms) => {
      nowMs += ms
    },
  }
})

test('counts who was served without a load of his own, and the loads', async () => {
  const metrics = createMetrics({ service: 'notifications' })
  const cache = createMemoryCache<number>({ name: 'templates', max: 8, ttlMs: 1_000, metrics })
  await Promise.all([1, 2, 3].map(() => cache.get('a', async () => 1)))
  await cache.get('a', async () => 1)
  await cache.get('b', async () => 1)
  const text = await metrics.registry.metrics()
  expect(text).toContain('cache_hits{cache="templates",service="notifications"} 3')
  expect(text).toContain('cache_misses{cache="templates",service="notifications"} 2')
})

test('a flood of keys leaves no more than the limit behind', async () => {
  const cache = createMemoryCache<number>({ name: 'flood', max: 100, ttlMs: 1_000 })
  await Promise.all(Array.from({ length: 5_000 }, (_key, n) => cache.get(`k${n}`, async () => n)))
  expect(cache.size()).toBe(100)
  await cache.close()
})
