import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { childTraceparent, newTraceparent } from '@ashlar/platform/context'
import { methodLabel } from '@ashlar/platform/http'
import type { Tracing } from '@ashlar/platform/telemetry'
import type { Peer } from '../domain/address.ts'
import type { Cors } from '../domain/cors.ts'
import { HSTS } from '../domain/security-headers.ts'
import type { ClientFinder } from './client-finder.ts'
import type { Exchange } from './exchange.ts'
import { watchHead } from './header-log.ts'

type Deps = {
  clientOf: ClientFinder
  cors: Cors | undefined
  securityHeaders: Readonly<Record<string, string>>
  tracing: Tracing
  /** Header fields go into the log line. */
  logHeaders: boolean
}

const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/

/** Begins the account of a request: who sent it, its ids, and what every answer to it carries. */
export const createOpenExchange = ({ clientOf, cors, securityHeaders, tracing, logHeaders }: Deps) => {
  // Browsers ignore the field over http, and must not be sent it (RFC 6797, section 7.2).
  const { [HSTS]: _secure, ...insecure } = securityHeaders

  return (request: IncomingMessage, response: ServerResponse, peer: Peer): Exchange => {
    const { headers, socket, method = '' } = request
    const { 'x-request-id': offered, traceparent: parent } = headers
    const requestId = typeof offered === 'string' && REQUEST_ID.test(offered) ? offered : randomUUID()
    const { client, scheme } = clientOf(peer, headers)
    const span = tracing.on ? tracing.start(methodLabel(method), aboutSpan(method, parent)) : undefined
    const traceparent = span?.traceparent ?? (typeof parent === 'string' ? childTraceparent(parent) : newTraceparent())
    const common = scheme === 'http' ? insecure : securityHeaders
    return {
      request,
      response,
      client,
      scheme,
      requestId,
      traceparent,
      headers: cors
        ? { ...common, ...cors.fields(headers.origin), 'x-request-id': requestId, traceparent }
        : { ...common, 'x-request-id': requestId, traceparent },
      startedAtMs: performance.now(),
      sentBefore: socket.bytesWritten,
      span,
      sentHeaders: logHeaders ? watchHead(response) : undefined,
      path: '',
      query: '',
      route: '(none)',
      userId: undefined,
      code: undefined,
      counted: undefined,
      below: undefined,
      own: undefined,
      inFlight: undefined,
    }
  }
}

const aboutSpan = (method: string, parent: string | string[] | undefined) => ({
  kind: 'server' as const,
  parent: typeof parent === 'string' ? parent : undefined,
  attributes: { 'http.request.method': methodLabel(method), 'ashlar.service': 'gateway' },
})
