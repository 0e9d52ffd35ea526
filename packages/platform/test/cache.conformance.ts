import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Cache } from '../src/cache/index.ts'

/** What the suite needs of an adapter: caches of 8 values that live for `ttlMs`, and a way to let their time pass. */
export type CacheUnderTest = { cache: Cache<unknown>; ttlMs: number; pass(ms: number): Promise<void> }

/** A load that ends when the test says so. */
const held = <V>() => {
  let bring = (_value: V): void => undefined
  let fail = (_error: Error): void => undefined
  let begun = 0
  const outcome = new Promise<V>((resolve, reject) => {
    bring = resolve
    fail = reject
  })
  const load = (): Promise<V> => {
    begun += 1
    return outcome
  }
  return { load, bring, fail, begun: () => begun }
}

/** The promises of the `Cache` port. Every adapter runs it. */
export const cacheConformance = (adapter: string, open: () => Promise<CacheUnderTest>): void => {
  describe(`Cache · ${adapter}`, () => {
    let cache: Cache<unknown>
    let ttlMs: number
    let pass: CacheUnderTest['pass']
    beforeEach(async () => {
      ;({ cache, ttlMs, pass } = await open())
    })
    afterEach(() => cache.close())

    /** What is got where nothing would be loaded twice: the value, and whether a load was needed for it. */
    const look = async (key: string, fresh: unknown = 'fresh') => {
      let loaded = false
      const value = await cache.get(key, async () => {
        loaded = true
        return fresh
      })
      return { value, loaded }
    }

    test('a value is loaded once and then kept', async () => {
      expect(await look('a', 1)).toEqual({ value: 1, loaded: true })
      expect(await look('a', 2)).toEqual({ value: 1, loaded: false })
      expect(await look('b', 3)).toEqual({ value: 3, loaded: true })
    })

    test('200 who ask at once make one load and get what it brings', async () => {
      const { load, bring, begun } = held()
      const asked = Array.from({ length: 200 }, () => cache.get('a', load))
      bring('one')
      expect(new Set(await Promise.all(asked))).toEqual(new Set(['one']))
      expect(begun()).toBe(1)
    })

    test('loads of different keys do not wait for one another', async () => {
      const slow = held()
      const waiting = cache.get('slow', slow.load)
      expect((await look('quick')).value).toBe('fresh')
      slow.bring('at last')
      expect(await waiting).toBe('at last')
    })

    test('an invalidation beats a load in flight: its value is neither kept nor served to who asks afterwards', async () => {
      const old = held()
      const before = cache.get('a', old.load)
      await cache.invalidate('a')
      const fresh = held()
      const after = cache.get('a', fresh.load)
      // The order in which they end must not matter.
      old.bring('old')
      expect(await before).toBe('old')
      const later = cache.get('a', fresh.load)
      fresh.bring('new')
      expect([await after, await later]).toEqual(['new', 'new'])
      expect(fresh.begun()).toBe(1)
      expect(await look('a')).toEqual({ value: 'new', loaded: false })
    })

    test('an overtaken load that ends last leaves the newer value where it is', async () => {
      const old = held()
      const before = cache.get('a', old.load)
      await cache.invalidate('a')
      expect(await look('a', 'new')).toEqual({ value: 'new', loaded: true })
      old.bring('old')
      await before
      expect(await look('a')).toEqual({ value: 'new', loaded: false })
    })

    test('an overtaken load that fails takes nothing with it', async () => {
      const old = held()
      const before = cache.get('a', old.load)
      await cache.invalidate('a')
      const fresh = held()
      const after = cache.get('a', fresh.load)
      old.fail(new Error('gone'))
      await expect(before).rejects.toThrow('gone')
      const joined = cache.get('a', fresh.load)
      fresh.bring('new')
      expect([await after, await joined, fresh.begun()]).toEqual(['new', 'new', 1])
    })

    test('of a hundred invalidations between loads every one is seen', async () => {
      let stored = 0
      const slowly = async (): Promise<number> => {
        const read = stored
        await new Promise((resolve) => setTimeout(resolve, read % 3))
        return read
      }
      const rounds = Array.from({ length: 100 }, async (_round, at) => {
        await new Promise((resolve) => setTimeout(resolve, at % 7))
        stored += 1
        const least = stored
        await cache.invalidate('counter')
        expect(await cache.get('counter', slowly)).toBeGreaterThanOrEqual(least)
      })
      await Promise.all(rounds)
      expect(await cache.get('counter', slowly)).toBe(100)
    })

    test('a load that fails is told to all who waited and to nobody after them', async () => {
      const broken = held()
      const asked = [cache.get('a', broken.load), cache.get('a', broken.load)]
      broken.fail(new Error('no store'))
      for (const one of asked) await expect(one).rejects.toThrow('no store')
      expect(broken.begun()).toBe(1)
      expect(await look('a')).toEqual({ value: 'fresh', loaded: true })
    })

    test('a load that throws before it begins is a failed load', async () => {
      const throws = (): Promise<unknown> => {
        throw new Error('no pool')
      }
      await expect(cache.get('a', throws)).rejects.toThrow('no pool')
      expect((await look('a')).loaded).toBe(true)
    })

    test('a prefix forgets what begins with it, in flight too, and nothing else', async () => {
      for (const key of ['t:welcome:v1', 't:welcome:v2', 't:welcome-back:v1', 't:welcome', 'u:t:welcome:v1'])
        await look(key, 'old')
      const inFlight = held()
      const before = cache.get('t:welcome:v3', inFlight.load)
      await cache.invalidate('t:welcome:')
      inFlight.bring('old')
      await before
      for (const key of ['t:welcome:v1', 't:welcome:v2', 't:welcome:v3'])
        expect(await look(key)).toEqual({ value: 'fresh', loaded: true })
      for (const key of ['t:welcome-back:v1', 't:welcome', 'u:t:welcome:v1'])
        expect(await look(key)).toEqual({ value: 'old', loaded: false })
    })

    test('a key is no prefix, and a prefix is no key', async () => {
      await look('a', 'old')
      await look('ab', 'old')
      await cache.invalidate('a')
      expect((await look('ab')).loaded).toBe(false)
      await expect(cache.get('a:', async () => 1)).rejects.toThrow('ends like a prefix')
    })

    test('a value is loaded anew after its time, not earlier', async () => {
      await look('a', 'old')
      await pass(ttlMs / 2)
      expect((await look('a')).loaded).toBe(false)
      await pass(ttlMs)
      expect(await look('a')).toEqual({ value: 'fresh', loaded: true })
    })

    test('no value at all is a value', async () => {
      for (const nothing of [null, 0, '', false]) {
        const key = `nothing:${JSON.stringify(nothing)}`
        await look(key, nothing)
        expect(await look(key)).toEqual({ value: nothing, loaded: false })
      }
    })

    test('holds no more than it may: what was not asked for the longest goes first', async () => {
      for (let n = 1; n <= 8; n += 1) await look(`k${n}`)
      await look('k1')
      await look('k9')
      expect((await look('k1')).loaded).toBe(false)
      expect((await look('k9')).loaded).toBe(false)
      expect((await look('k2')).loaded).toBe(true)
    })

    test('a closed cache has forgotten everything, a load in flight included', async () => {
      await look('a', 'old')
      const inFlight = held()
      const before = cache.get('b', inFlight.load)
      await cache.close()
      inFlight.bring('old')
      await before
      expect((await look('a')).loaded).toBe(true)
      expect((await look('b')).loaded).toBe(true)
    })
  })
}
