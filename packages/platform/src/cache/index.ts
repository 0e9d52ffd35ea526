/** Caches: the port and its in-process adapter. */
export { createMemoryCache, type MemoryCacheOptions } from './memory.ts'
export type { Cache } from './port.ts'
