import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Progress, renderProblem } from '@ashlar/platform/http'
import type { Span } from '@ashlar/platform/telemetry'
import { type GatewayCode, gatewayErrors } from '../contract.ts'
import type { Client } from '../domain/address.ts'
import { type Counted, tellLimit } from './request-limits.ts'

/** One request on its way through the gateway. */
export type Exchange = {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly client: Client
  /** How the request came to the first proxy, where a trusted one said so. */
  readonly scheme: 'http' | 'https' | undefined
  readonly requestId: string
  readonly traceparent: string
  /** On its answer, whoever gives it. A service's own value of the same field wins. */
  readonly headers: Record<string, string>
  readonly startedAtMs: number
  /** What its connection had sent before. */
  readonly sentBefore: number
  /** Only where spans are recorded. */
  readonly span: Span | undefined
  /** Only where headers are logged. */
  readonly sentHeaders: (() => string[]) | undefined
  /** Canonical, without the query; empty until it is known, so that nothing hostile reaches a log. */
  path: string
  /** With its `?`, or empty. May hold a secret: never logged. */
  query: string
  /** Pattern of the route, the label of metrics. */
  route: string
  userId?: string
  /** The limit that is nearest to its end. */
  counted?: Counted
  /** Counted among those that are worked on, until its answer has gone. */
  inFlight?: true
  /** The code that the gateway refused with. */
  code?: string
  /** What whoever it was handed on to makes of it. */
  below?: Progress
  /** Handed on to the gateway's own endpoints, which know the route and count their requests themselves. */
  own?: true
}

export type GatewayRefusal = { code: GatewayCode; detail?: string; headers?: Record<string, string> }

/** Ends a request with a problem (RFC 9457), unless its answer has begun. `instance` is the path without its query. */
export const refuse = (exchange: Exchange, refusal: GatewayRefusal): void => {
  exchange.code = refusal.code
  const { response } = exchange
  tellLimit(exchange)
  if (response.headersSent || response.destroyed) return
  const { status, headers, body } = renderProblem(gatewayErrors, refusal, exchange, exchange.path)
  response.writeHead(status, { ...exchange.headers, ...headers, 'content-length': Buffer.byteLength(body) })
  response.end(body)
}
