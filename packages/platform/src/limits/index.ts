/** Request limits: the port, its in-process adapter, and the headers that tell a client of them. */
export { limitHeaders } from './headers.ts'
export { createMemoryLimiter, type MemoryLimiterOptions } from './memory.ts'
export type { Limit, RateLimiter, Verdict } from './port.ts'
