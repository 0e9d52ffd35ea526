import type { IncomingMessage } from 'node:http'
import { newTraceparent } from '@ashlar/platform/context'
import type { Authenticator, HttpServer } from '@ashlar/platform/http'
import { createMemoryLimiter } from '@ashlar/platform/limits'
import type { Runtime } from '@ashlar/platform/runtime'
import { createBrokenAnswer } from './api/broken.ts'
import { createClientFinder } from './api/client-finder.ts'
import { createCompress } from './api/compress.ts'
import { createEdge } from './api/edge.ts'
import { createManagement } from './api/management.ts'
import { createObserver } from './api/observe.ts'
import { createOpenExchange } from './api/open-exchange.ts'
import { createOwnServer } from './api/own-server.ts'
import { createRequestLimits } from './api/request-limits.ts'
import { createWorkload } from './api/workload.ts'
import type { DevTools, Finding, Passport, Upstream } from './application/ports.ts'
import { limitedRoutes } from './application/queries/limited-routes.ts'
import { createExposition } from './application/queries/metrics.ts'
import { openApiOf } from './application/queries/openapi.ts'
import { createPeers } from './domain/address.ts'
import { createCors } from './domain/cors.ts'
import { parseEndpointLimits } from './domain/endpoint-limits.ts'
import { createHostGuard } from './domain/hosts.ts'
import { parseNetwork } from './domain/ip.ts'
import { UPSTREAM_NAMES, type UpstreamName } from './domain/prefixes.ts'
import { createRoutePatterns } from './domain/route-patterns.ts'
import { securityHeaders } from './domain/security-headers.ts'
import { FrontServer, type FrontServerOptions } from './infrastructure/front-server.ts'
import { createInProcessUpstream } from './infrastructure/in-process-upstream.ts'
import { LoopDelay } from './infrastructure/loop-delay.ts'
import { createReferenceAssets } from './infrastructure/reference-assets.ts'
import type { GatewaySettings } from './settings.ts'

export type GatewayDeps = {
  runtime: Runtime
  settings: GatewaySettings
  services: Record<UpstreamName, { http: HttpServer }>
  authenticator: Authenticator
  /** Where people reach this Ashlar; its host is the one that requests may name. */
  publicUrl: string
  /** What `/dev/*` shows; ignored in production. */
  dev?: DevTools
  /** Hears once of each mistake in the set-up that requests bring to light. */
  report?: (finding: Finding) => void
  /** While it answers true, every write is refused before a service sees it. */
  refuseWrites?: () => boolean
}

export type Gateway = {
  /** The gateway's own endpoints, without the edge in front. */
  readonly http: HttpServer
  /** Opens the public port, which is a free one for 0; in production the management port as well, on loopback. */
  listen(host: string, port: number): Promise<{ port: number; managementPort?: number }>
  /** Not ready any more, and every answer closes its connection. Still accepts and serves. */
  drain(): void
  /** Takes no new connections, and resolves when every accepted request was answered or the time to drain is over. */
  stop(): Promise<void>
  close(): Promise<void>
}

/** The one door from outside: decides about every request, then hands it to a service of this process. */
export const createGateway = async (deps: GatewayDeps): Promise<Gateway> => {
  const { runtime, settings, services, authenticator, publicUrl, refuseWrites } = deps
  const production = runtime.environment === 'production'
  const secure = publicUrl.startsWith('https:')
  const log = runtime.logger('gateway')
  const observer = createObserver(runtime.metrics('gateway'), log)
  const passports = new WeakMap<IncomingMessage, Passport>()
  const upstreams = Object.fromEntries(
    UPSTREAM_NAMES.map((name) => [name, createInProcessUpstream(services[name].http)]),
  ) as Record<UpstreamName, Upstream>

  const delay = new LoopDelay()
  const workload = createWorkload({ delayMs: settings.shedDelayMs, inFlight: settings.shedInFlight }, delay)
  const metrics = createExposition({ runtime, delay, workload })

  const documents = UPSTREAM_NAMES.map((service) => ({ service, document: upstreams[service].openapi() }))
  const configured = parseEndpointLimits(settings.endpointLimits) ?? {}
  const { ofServices, ofGateway } = limitedRoutes(documents, configured)
  const patterns = createRoutePatterns(ofServices)
  let openapi: object = {}

  const own: HttpServer = await createOwnServer({
    runtime,
    upstreams,
    metricsPublic: settings.metricsPublic || !production,
    metrics,
    openapi: () => openapi,
    serves: (method, path) => patterns(method, path)?.path === path,
    passportOf: (request) =>
      passports.get(request.raw) ?? { ip: '', requestId: request.id, traceparent: newTraceparent() },
    reference: createReferenceAssets(),
    reportOnly: settings.cspReportOnly,
    refuseWrites,
    dev: production ? undefined : deps.dev,
  })

  // Two services that claim one path are a mistake of the composition: found here, not by the first reader.
  openapi = openApiOf([{ service: 'gateway', document: own.openapi() }, ...documents], publicUrl)

  const trusted = settings.trustedProxies.flatMap((entry) => parseNetwork(entry) ?? [])
  const cors = createCors(settings.corsOrigins)
  const onAnswers = securityHeaders({
    reportOnly: settings.cspReportOnly,
    hstsSeconds: production && secure ? settings.hstsSeconds : 0,
  })
  const limiter = createMemoryLimiter()
  const edge = createEdge({
    open: createOpenExchange({
      clientOf: createClientFinder({ trusted, log, report: deps.report }),
      cors,
      securityHeaders: onAnswers,
      tracing: runtime.tracing,
      logHeaders: log.isLevelEnabled('debug'),
    }),
    hosts: createHostGuard({ publicUrl, allowed: settings.allowedHosts, loopback: !production }),
    redirectTo: secure && settings.httpsRedirect ? publicUrl : undefined,
    cors,
    upstreams,
    own: (request, response, passport) => {
      passports.set(request, passport)
      return own.handle(request, response, passport)
    },
    patterns,
    ownPatterns: createRoutePatterns(ofGateway),
    authenticator,
    limits: settings.rateLimitEnabled ? createRequestLimits({ limiter, ...generalLimits(settings) }) : undefined,
    workload,
    refuseWrites,
    compress: createCompress(),
    observer,
    log,
  })

  const sockets = {
    timeouts: timeoutsOf(settings),
    connectionsPerAddress: settings.connectionsPerAddress,
    peerOf: createPeers(trusted),
    onBroken: createBrokenAnswer(observer, onAnswers),
  }
  const front = new FrontServer({ ...sockets, onRequest: edge })
  const management = production
    ? new FrontServer({
        ...sockets,
        onRequest: createManagement({
          own,
          metrics,
          metricsType: runtime.metrics('gateway').registry.contentType,
          securityHeaders: onAnswers,
        }),
      })
    : undefined

  const drain = (): void => {
    own.drain()
    front.drain()
  }
  const stop = (): Promise<void> => {
    drain()
    return front.close()
  }

  return {
    http: own,
    listen: async (host, port) => {
      delay.start()
      const managementPort = await management?.listen('127.0.0.1', settings.managementPort)
      return { port: await front.listen(host, port), managementPort }
    },
    drain,
    stop,
    close: async () => {
      await stop()
      await management?.close()
      await own.close()
      await limiter.close()
      delay.close()
    },
  }
}

const generalLimits = ({ requestsPerMinute, userRequestsPerMinute }: GatewaySettings) => ({
  perAddress: { name: 'ip', quota: requestsPerMinute, windowMs: 60_000 },
  perUser: { name: 'user', quota: userRequestsPerMinute, windowMs: 60_000 },
})

const timeoutsOf = (settings: GatewaySettings): FrontServerOptions['timeouts'] => ({
  headersMs: settings.headersSeconds * 1_000,
  requestMs: settings.bodySeconds * 1_000,
  idleMs: settings.idleSeconds * 1_000,
  stallMs: settings.stallSeconds * 1_000,
  drainMs: settings.drainSeconds * 1_000,
  graceMs: 500,
})
