import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Authenticator, Caller, Progress } from '@ashlar/platform/http'
import { DependencyUnavailable } from '@ashlar/platform/postgres'
import type { Logger } from '@ashlar/platform/telemetry'
import type { Passport, Upstream } from '../application/ports.ts'
import type { Peer } from '../domain/address.ts'
import type { Cors } from '../domain/cors.ts'
import { refuseHead, SERVED_METHODS } from '../domain/framing.ts'
import type { HostGuard } from '../domain/hosts.ts'
import { dropIdentityHeaders } from '../domain/identity-headers.ts'
import { type Place, placeOf, type UpstreamName } from '../domain/prefixes.ts'
import type { Route, RoutePatterns } from '../domain/route-patterns.ts'
import { canonicalTarget, originForm } from '../domain/target.ts'
import type { Compress } from './compress.ts'
import { type Exchange, type GatewayRefusal, refuse } from './exchange.ts'
import type { Observer } from './observe.ts'
import { type RequestLimits, tellLimit } from './request-limits.ts'
import type { Workload } from './workload.ts'

export type EdgeDeps = {
  open(request: IncomingMessage, response: ServerResponse, peer: Peer): Exchange
  hosts: HostGuard
  /** The https address that requests by http are sent to; absent where they are served. */
  redirectTo?: string
  cors: Cors | undefined
  upstreams: Record<UpstreamName, Upstream>
  /** The gateway's own pages and endpoints, which count their requests themselves. */
  own: (request: IncomingMessage, response: ServerResponse, passport: Passport) => Progress
  patterns: RoutePatterns
  /** Of the gateway's own endpoints. */
  ownPatterns: RoutePatterns
  authenticator: Authenticator
  /** Absent where limits are switched off. */
  limits?: RequestLimits
  workload: Workload
  /** True while nothing may be changed. */
  refuseWrites?: () => boolean
  compress: Compress
  observer: Observer
  log: Logger
}

export type Edge = (request: IncomingMessage, response: ServerResponse, peer: Peer) => void

/** Where the limits of a request are in doubt, what follows it on the connection is as well. */
const CLOSE = { connection: 'close' }
const BEARER = /^bearer(?: +(.*))?$/i
const READS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])
const UNLIMITED: readonly never[] = []

/**
 * Every decision about a request, in this order: framing, target, host; scheme, preflight, place; load, strict mode,
 * request limits, token. Only then is it handed on, with its canonical target and without the fields that claim an
 * identity.
 */
export const createEdge = (deps: EdgeDeps): Edge => {
  const { hosts, cors, upstreams, own, patterns, authenticator, limits, workload, observer, log } = deps

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

  /** Answers what needs no service: a request by http, and a browser that asks whether it may ask. */
  const answeredHere = (exchange: Exchange, place: Place | undefined): boolean => {
    const { request, response, scheme, path, query, headers } = exchange
    if (deps.redirectTo !== undefined && scheme === 'http' && place?.importance !== 'always') {
      // From the public URL, never from Host: a made-up one would send people elsewhere.
      const location = `${deps.redirectTo}${path}${query}`
      response.writeHead(308, { ...headers, location, 'content-length': '0' }).end()
      return true
    }
    if (!cors || request.method !== 'OPTIONS' || !request.headers['access-control-request-method']) return false
    const fields = cors.preflight(request.headers.origin)
    if (!fields) return false
    response.writeHead(204, { ...headers, ...fields }).end()
    return true
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

  const handOn = (exchange: Exchange, place: Place, caller: Caller | undefined): void => {
    const { request, response, path, query, requestId, traceparent, client, headers } = exchange
    dropIdentityHeaders(request)
    request.url = path + query
    request.headers['x-request-id'] = requestId
    request.headers.traceparent = traceparent
    tellLimit(exchange)
    if (!place.secrets && request.headers['accept-encoding'] !== undefined) deps.compress(request, response)
    if (request.headers.expect !== undefined && request.httpVersion === '1.1') response.writeContinue()

    const passport = { ip: client.address, requestId, traceparent, caller, headers }
    if (place.upstream !== 'gateway') {
      workload.begin(exchange)
      exchange.below = upstreams[place.upstream].forward(request, response, passport)
    } else {
      exchange.own = true
      exchange.below = own(request, response, passport)
    }
  }

  /** Finds out whose request it is; undefined where it was refused. */
  const callerOf = async (exchange: Exchange, route: Route | undefined): Promise<{ caller?: Caller } | undefined> => {
    // Clients send the token that they have with everything, an expired one with the very request that renews it.
    if (route?.public) return {}
    const identity = await identify(exchange.request.headers.authorization)
    if (!identity) return {}
    if ('code' in identity) return void refuse(exchange, identity)
    exchange.userId = identity.userId
    const tooMany = await limits?.ofUser(exchange, identity.userId)
    return tooMany ? void refuse(exchange, tooMany) : { caller: identity }
  }

  const serve = async (exchange: Exchange): Promise<void> => {
    const { request } = exchange
    const refusal = refusalOfHead(exchange)
    if (refusal) return refuse(exchange, refusal)
    const found = placeOf(exchange.path)
    const place = found?.loopbackOnly && !exchange.client.loopback ? undefined : found
    if (answeredHere(exchange, place)) return
    if (workload.tooMuch(place?.importance ?? 'usual')) return refuse(exchange, OVERLOADED)

    const method = request.method ?? ''
    const ofService = place !== undefined && place.upstream !== 'gateway'
    if (ofService && deps.refuseWrites !== undefined && !READS.has(method) && deps.refuseWrites()) {
      return refuse(exchange, READ_ONLY)
    }
    const route = place && (ofService ? patterns : deps.ownPatterns)(method, exchange.path)
    if (limits && !place?.unlimited) {
      const tooMany = await limits.ofClient(exchange, route?.limits ?? UNLIMITED)
      if (tooMany) return refuse(exchange, tooMany)
    }
    if (!place) {
      return refuse(exchange, { code: 'not_found', detail: 'No such route. /openapi.json lists what is served here.' })
    }
    if (!ofService) return handOn(exchange, place, undefined)
    exchange.route = route?.path ?? `/${exchange.path.split('/', 2)[1]}/*`
    const known = await callerOf(exchange, route)
    if (known) handOn(exchange, place, known.caller)
  }

  return (request, response, peer) => {
    const exchange = deps.open(request, response, peer)
    response.on('close', () => {
      workload.end(exchange)
      observer.finished(exchange)
    })
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

const OVERLOADED: GatewayRefusal = { code: 'overloaded', detail: 'Too many requests at once. Retry-After says when.' }
const READ_ONLY: GatewayRefusal = {
  code: 'dependency_unavailable',
  detail: 'Nothing can be changed at the moment: the audit trail could not keep it.',
}
