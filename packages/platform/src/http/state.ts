import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { childTraceparent, type ExecutionContext, newTraceparent, traceIdOf } from '../context/index.ts'
import type { Span } from '../telemetry/index.ts'
import type { StartSpan } from './spans.ts'
import type { Caller, Origin } from './types.ts'

/** What one request carries through the server, from its first byte to its log line. */
export type RequestState = {
  readonly requestId: string
  readonly traceparent: string
  readonly ip: string
  readonly userAgent: string | undefined
  /** On every answer, unless it has a value of its own. */
  readonly headers: Readonly<Record<string, string>>
  readonly startedAtMs: number
  /** Somebody in front writes the log line of this request. */
  readonly logged: boolean
  /** Pattern of the route, never the path itself: it is a metric's label. */
  route: string
  caller: Caller | null
  code: string | undefined
  /** Kept for routes that ask for the bytes. */
  rawBody: Buffer | undefined
  /** Where this server itself began it. */
  readonly span: Span | undefined
}

const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/
const NO_ROUTE = '(none)'

export const newState = (
  request: IncomingMessage,
  origin: Origin | undefined,
  startSpan: StartSpan | undefined,
): RequestState => {
  const offered = origin?.requestId ?? request.headers['x-request-id']
  const header = request.headers.traceparent
  const parent = typeof header === 'string' ? header : undefined
  const requestId = typeof offered === 'string' && REQUEST_ID.test(offered) ? offered : randomUUID()
  // What comes with an origin is the span of this very request, which another part of this process opened.
  const span = origin?.traceparent === undefined ? startSpan?.(request.method ?? '', parent) : undefined
  const traceparent =
    origin?.traceparent ?? span?.traceparent ?? (parent === undefined ? newTraceparent() : childTraceparent(parent))
  return {
    requestId,
    traceparent,
    headers: { ...origin?.headers, 'x-request-id': requestId, traceparent },
    ip: origin?.ip ?? plainAddress(request.socket?.remoteAddress),
    userAgent: request.headers['user-agent']?.slice(0, 512),
    startedAtMs: performance.now(),
    logged: origin?.logged ?? false,
    route: NO_ROUTE,
    caller: origin?.caller ?? null,
    code: undefined,
    rawBody: undefined,
    span,
  }
}

/** The context that everything a request does runs in. */
export const contextOf = (state: RequestState): ExecutionContext => ({
  requestId: state.requestId,
  traceparent: state.traceparent,
  actor: state.caller ? { type: 'user', id: state.caller.userId } : { type: 'anonymous', id: 'anonymous' },
  ip: state.ip,
  userAgent: state.userAgent,
})

/** The three fields that join a log line to its request, for lines written outside the context. */
export const idsOf = (state: RequestState): Record<string, string | undefined> => ({
  correlationId: state.requestId,
  traceId: traceIdOf(state.traceparent),
  userId: state.caller?.userId,
})

// A socket that listens on both families shows IPv4 peers as ::ffff:192.0.2.1.
const plainAddress = (address: string | undefined): string =>
  address === undefined ? '' : address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
