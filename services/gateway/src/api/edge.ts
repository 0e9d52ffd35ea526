import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { childTraceparent, newTraceparent } from '@ashlar/platform/context'
import type { Authenticator, Caller, Progress } from '@ashlar/platform/http'
import { type Limit, limitHeaders, type RateLimiter } from '@ashlar/platform/limits'
import { DependencyUnavailable } from '@ashlar/platform/postgres'
import type { Logger } from '@ashlar/platform/telemetry'
import type { Passport, Upstream } from '../application/ports.ts'
import type { Peer } from '../domain/address.ts'
import { refuseHead, SERVED_METHODS } from '../domain/framing.ts'
import type { HostGuard } from '../domain/hosts.ts'
import { dropIdentityHeaders } from '../domain/identity-headers.ts'
import { type Place, placeOf, type UpstreamName } from '../domain/prefixes.ts'
import type { RoutePatterns } from '../domain/route-patterns.ts'
import { SECURITY_HEADERS } from '../domain/security-headers.ts'
import { canonicalTarget, originForm } from '../domain/target.ts'
import { type Exchange, type GatewayRefusal, refuse } from './exchange.ts'
import type { Observer } from './observe.ts'

export type EdgeDeps = {
  hosts: HostGuard
  upstreams: Record<UpstreamName, Upstream>
  /** The gateway's own pages and endpoints, which count their requests themselves. */
  own: (request: IncomingMessage, response: ServerResponse, passport: Passport) => Progress
  patterns: RoutePatterns
  authenticator: Authenticator
  /** Absent where limits are switched off. */
  limits?: { limiter: RateLimiter; perAddress: Limit }
  observer: Observer
  log: Logger
}

export type Edge = (request: IncomingMessage, response: ServerResponse, peer: Peer) => void

const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/
/** Where the limits of a request are in doubt, what follows it on the connection is as well. */
const CLOSE = { connection: 'close' }
const BEARER = /^bearer(?: +(.*))?$/i

/**
 * Every decision about a request, in this order: framing, target, host, place, request limit, token.
 * Only then is it handed on, with its canonical target and without the fields that claim an identity.
 */
export const createEdge = (deps: EdgeDeps): Edge => {
  const { hosts, upstreams, own, patterns, authenticator, limits, observer, log } = deps

  const open = (request: IncomingMessage, response: ServerResponse, peer: Peer): Exchange => {
    const { 'x-request-id': offered, traceparent: parent } = request.headers
    const requestId = typeof offered === 'string' && REQUEST_ID.test(offered) ? offered : randomUUID()
    const traceparent = typeof parent === 'string' ? childTraceparent(parent) : newTraceparent()
    const exchange: Exchange = {
      request,
      response,
      peer,
      requestId,
      traceparent,
      headers: { ...SECURITY_HEADERS, 'x-request-id': requestId, traceparent },
      startedAtMs: performance.now(),
      path: '',
      query: '',
      route: '(none)',
    }
    response.on('close', () => observer.finished(exchange))
    return exchange
  }

  /** Framing, target and host; fills in the canonical path. */
  const refusalOfHead = (exchange: Exchange): GatewayRefusal | undefined => {
    const { method = '', url = '', httpVersion, rawHeaders, headers } = exchange.request
    const framing = refuseHead({ method, httpVersion, rawHeaders })
    if (framing?.code === 'method_not_allowed') return { ...framing, headers: { allow: SERVED_METHODS } }
    if (framing) return { ...framing, headers: CLOSE }
    const origin = originForm(url, headers.host)
    if (!origin.ok) return { code: 'request_malformed', detail: origin.error, headers: CLOSE }
    const target = canonicalTarget(origin.value)
    if (!target.ok) return { code: 'path_invalid', detail: target.error }
    exchange.path = target.value.path
    exchange.query = target.value.query
    if (!hosts(headers.host)) return { code: 'host_unknown', detail: 'This server does not answer for that host.' }
    return undefined
  }

  const withinLimit = async ({ peer, headers }: Exchange): Promise<GatewayRefusal | undefined> => {
    if (!limits) return undefined
    const verdict = await limits.limiter.take(limits.perAddress, peer.network)
    Object.assign(headers, limitHeaders(limits.perAddress, verdict))
    if (verdict.allowed) return undefined
    return { code: 'rate_limited', detail: 'Too many requests from this address. Retry-After says when to come back.' }
  }

  /** A token that is shown must be good; whether one is needed is for the service to say. */
  const identify = async (authorization: string | undefined): Promise<Caller | GatewayRefusal | undefined> => {
    if (authorization === undefined) return undefined
    const bearer = BEARER.exec(authorization)
    if (!bearer) return undefined
    const result = await authenticator.authenticate(bearer[1] ?? '')
    if (result.ok) return result.value
    return { code: result.error, headers: { 'www-authenticate': 'Bearer error="invalid_token"' } }
  }

  const handOn = async (exchange: Exchange, { upstream }: Place): Promise<void> => {
    const { request, response, path, query, requestId, traceparent, peer } = exchange
    let caller: Caller | undefined
    if (upstream !== 'gateway') {
      const route = patterns(request.method ?? '', path)
      exchange.route = route?.path ?? `/${path.split('/', 2)[1]}/*`
      // Clients send the token that they have with everything, an expired one with the very request that renews it.
      if (!route?.public) {
        const identity = await identify(request.headers.authorization)
        if (identity && 'code' in identity) return refuse(exchange, identity)
        caller = identity
        exchange.userId = caller?.userId
      }
    }
    dropIdentityHeaders(request)
    request.url = path + query
    request.headers['x-request-id'] = requestId
    request.headers.traceparent = traceparent
    if (request.headers.expect !== undefined && request.httpVersion === '1.1') response.writeContinue()

    const passport = { ip: peer.address, requestId, traceparent, caller, headers: exchange.headers }
    if (upstream !== 'gateway') {
      exchange.below = upstreams[upstream].forward(request, response, passport)
    } else {
      exchange.own = true
      exchange.below = own(request, response, passport)
    }
  }

  const serve = async (exchange: Exchange): Promise<void> => {
    const refusal = refusalOfHead(exchange)
    if (refusal) return refuse(exchange, refusal)
    const found = placeOf(exchange.path)
    const place = found?.loopbackOnly && !exchange.peer.loopback ? undefined : found
    if (!place?.unlimited) {
      const tooMany = await withinLimit(exchange)
      if (tooMany) return refuse(exchange, tooMany)
    }
    if (place) return handOn(exchange, place)
    refuse(exchange, { code: 'not_found', detail: 'No such route. /openapi.json lists what is served here.' })
  }

  return (request, response, peer) => {
    const exchange = open(request, response, peer)
    serve(exchange).catch((error: unknown) => {
      const away = error instanceof DependencyUnavailable
      const about = { err: error, correlationId: exchange.requestId, route: exchange.route }
      if (away) log.warn({ ...about, dependency: error.dependency }, 'a dependency of the gateway is unavailable')
      else log.error(about, 'a request failed in the gateway')
      if (exchange.response.headersSent) exchange.response.destroy()
      else refuse(exchange, { code: away ? 'dependency_unavailable' : 'internal_error' })
    })
  }
}
