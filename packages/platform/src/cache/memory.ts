import { LRUCache } from 'lru-cache'
import type { Metrics } from '../telemetry/index.ts'
import type { Cache } from './port.ts'

export type MemoryCacheOptions = {
  /** The label `cache` of its metrics. */
  name: string
  /** Values kept; beyond it the one that was not asked for the longest is forgotten. */
  max: number
  /** How old a value may get. */
  ttlMs: number
  metrics?: Metrics
  /** Monotonic. */
  nowMs?: () => number
}

/**
 * Keeps values in this process. Exact for one process: where several change the same things, an invalidation must
 * reach each of them, and `ttlMs` bounds how long one that was missed can matter.
 */
export const createMemoryCache = <V>(options: MemoryCacheOptions): Cache<V> & { size(): number } => {
  const { name, max, ttlMs, metrics, nowMs = () => performance.now() } = options
  // In a box, so that null and undefined are values like any other.
  const kept = new LRUCache<string, { value: V }>({ max, ttl: ttlMs, ttlResolution: 0, perf: { now: nowMs } })
  /** The load of each key that is on its way. Its own place in here is the token without which it may keep nothing. */
  const loads = new Map<string, Promise<V>>()
  const hits = metrics?.counter('cache_hits', 'Values that were there or on their way.', ['cache'])
  const misses = metrics?.counter('cache_misses', 'Values that had to be loaded.', ['cache'])

  const begin = (key: string, load: () => Promise<V>): Promise<V> => {
    const loading: Promise<V> = Promise.resolve()
      .then(load)
      .then((value) => {
        if (loads.get(key) === loading) kept.set(key, { value })
        return value
      })
      .finally(() => {
        if (loads.get(key) === loading) loads.delete(key)
      })
    loads.set(key, loading)
    return loading
  }

  const forget = (key: string): void => {
    kept.delete(key)
    loads.delete(key)
  }

  return {
    get: (key, load) => {
      if (key.endsWith(':')) return Promise.reject(new Error(`The key ${key} ends like a prefix.`))
      const known = kept.get(key)
      const loading = known === undefined ? loads.get(key) : undefined
      if (known === undefined && loading === undefined) {
        misses?.inc({ cache: name })
        return begin(key, load)
      }
      hits?.inc({ cache: name })
      return known === undefined ? (loading as Promise<V>) : Promise.resolve(known.value)
    },
    invalidate: async (keyOrPrefix) => {
      if (!keyOrPrefix.endsWith(':')) return forget(keyOrPrefix)
      for (const key of [...kept.keys(), ...loads.keys()]) if (key.startsWith(keyOrPrefix)) forget(key)
    },
    size: () => kept.size,
    close: async () => {
      kept.clear()
      loads.clear()
    },
  }
}
