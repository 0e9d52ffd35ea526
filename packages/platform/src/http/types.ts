import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Result } from '@ashlar/kernel'
import type { FastifyInstance } from 'fastify'
import type { z } from 'zod'
import type { RouteSpec, Routes } from '../contract/index.ts'
import type { Idempotency, IdempotencyCode } from '../idempotency/types.ts'

/** The signed-in caller of a request, from the verified access token. Times are Unix seconds. */
export type Caller = {
  userId: string
  sessionId: string
  email: string
  roles: string[]
  permissions: string[]
  authTime: number
  amr: string[]
  claims: Record<string, unknown>
}

export type Authenticator = {
  authenticate(token: string): Promise<Result<Caller, 'access_token_invalid' | 'access_token_stale'>>
}

export type FieldError = { pointer: string; code: string; detail: string }

/** A refused request: the bare code, or the code with what the caller may know about it. */
export type Refusal<Code extends string = string> =
  | Code
  | { code: Code; detail?: string; errors?: FieldError[]; headers?: Record<string, string> }

/**
 * An answer. `body` is checked against the route's schema for `status`; header names in any case. Of a raw content it
 * may be a `Readable`: read no faster than the caller takes it, and destroyed when he leaves.
 */
export type HttpResponse = { status: number; body?: unknown; headers?: Record<string, string> }

/** Opaque positions of a list, bound to the route and to what is given as `filterAndSort`. */
export type Cursors = {
  encode(filterAndSort: unknown, position: unknown): string
  decode<P>(filterAndSort: unknown, cursor: string): Result<P, 'cursor_invalid'>
}

type ParsedOr<R, K extends 'body' | 'params' | 'query', Missing> = R extends {
  readonly [P in K]: infer S extends z.ZodType
}
  ? z.output<S>
  : Missing

/** What a handler gets: everything parsed, nothing raw but the headers, and the body where the route asks for it. */
export type HandlerInput<R extends RouteSpec> = {
  body: ParsedOr<R, 'body', undefined>
  rawBody: R extends { readonly rawBody: true } ? Buffer : undefined
  params: ParsedOr<R, 'params', Record<string, string>>
  query: ParsedOr<R, 'query', Record<string, never>>
  caller: R['access'] extends 'public' ? null : Caller
  ip: string
  userAgent: string | undefined
  headers: IncomingHttpHeaders
  cursors: Cursors
  idempotency: R extends { readonly idempotency: 'transaction' | 'lease' } ? Idempotency : undefined
}

type CodesOf<R> = R extends { readonly errors: readonly (infer C extends string)[] } ? C : never
type ImpliedCodes<R> =
  | (R extends { readonly idempotency: 'transaction' | 'lease' } ? IdempotencyCode : never)
  | (R extends { readonly query: z.ZodType } ? 'cursor_invalid' : never)

/** A handler may refuse only with the codes that its route names. */
export type Handler<R extends RouteSpec> = (
  input: HandlerInput<R>,
) => Promise<Result<HttpResponse, Refusal<CodesOf<R> | ImpliedCodes<R>>>>

export type Handlers<R extends Routes> = { [Name in keyof R]: Handler<R[Name]> }

export type DependencyHealth = { status: 'up' | 'down'; latencyMs: number }
export type HealthReport = {
  status: 'ok' | 'degraded'
  service: string
  dependencies: Record<string, DependencyHealth>
}

/** What a trusted caller in this process (the gateway) already knows about a request. */
export type Origin = {
  ip?: string
  requestId?: string
  /** The span of this request, taken as it is. */
  traceparent?: string
  caller?: Caller
  /** Set on the answer, whatever it is, where it has no value of its own. Names in lower case. */
  headers?: Readonly<Record<string, string>>
  /** Whoever handed the request in writes its log line, and this server does not write a second one. */
  logged?: boolean
}

/** What became of a request so far; it goes on changing until the answer has gone. */
export type Progress = {
  /** The pattern of the route, `(none)` where there is none. */
  readonly route: string
  /** The code that it was refused with. */
  readonly code: string | undefined
}

export type HttpServer = {
  readonly fastify: FastifyInstance
  /** Serves one request without a socket of its own, e.g. one that the gateway accepted. Its body must be unread. */
  handle(request: IncomingMessage, response: ServerResponse, origin?: Origin): Progress
  /** Answers the port, which is a free one for 0. */
  listen(host: string, port: number): Promise<number>
  /** Not ready any more, and every answer closes its connection. Requests are still served. */
  drain(): void
  /** Drains, answers what was accepted, then closes. Calling it again waits for the same end. */
  close(): Promise<void>
  /** The OpenAPI 3.1 document of the routes. */
  openapi(): object
  healthReport(): Promise<HealthReport>
  /** The reason why this server should get no traffic now, undefined when it should. */
  unready(): Promise<string | undefined>
}
