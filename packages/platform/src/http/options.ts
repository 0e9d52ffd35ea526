import type { FastifyInstance } from 'fastify'
import type { ErrorTable, Routes } from '../contract/index.ts'
import type { Runtime, ServiceName } from '../runtime/index.ts'
import type { Checks } from './operations.ts'
import type { SocketLimits } from './sockets.ts'
import type { Authenticator, Handlers, HealthReport } from './types.ts'

export type RequestLimits = {
  bodyBytes: number
  bodyDepth: number
  headerFields: number
  /** How long a write waits for another one with the same idempotency key. */
  idempotencyWaitMs: number
  /** How long a leased idempotency key is held, in database time. */
  idempotencyLeaseSeconds: number
}

export const requestLimits: RequestLimits = {
  bodyBytes: 128 * 1024,
  bodyDepth: 32,
  headerFields: 100,
  idempotencyWaitMs: 2_000,
  idempotencyLeaseSeconds: 30,
}

/** What `/health`, `/metrics` and `/openapi.json` answer; a gateway replaces them by the sum of all services. */
export type Operations = {
  health(): Promise<HealthReport & Record<string, unknown>>
  metrics(): Promise<string>
  openapi(): object | Promise<object>
}

export type HttpServerOptions<R extends Routes> = {
  service: ServiceName
  runtime: Runtime
  routes: R
  errors: ErrorTable
  handlers: Handlers<R>
  /** Needed as soon as one route is not public. */
  authenticator?: Authenticator
  /** Each resolves when its dependency answers; asked with a time limit. */
  health: Checks
  /** The reason why this service should get no traffic yet; undefined when it should. */
  ready?: () => Promise<string | undefined>
  /** One line per request. Default true. */
  accessLog?: boolean
  /** Signs cursors; by default derived from the master key. */
  cursorKey?: Buffer
  /** `/metrics` for everybody. Default: everywhere but in production. */
  metricsPublic?: boolean
  /**
   * Whether the process that took a lease on an idempotency key still lives. Default: only this one does, which is
   * right for one process per database; where several share one, they must know of each other.
   */
  ownerAlive?: (instanceId: string) => boolean
  operations?: Partial<Operations>
  limits?: Partial<RequestLimits>
  sockets?: Partial<SocketLimits>
  /** Adds Fastify hooks and routes of its own before the server is ready. */
  extend?: (fastify: FastifyInstance) => void | Promise<void>
}
