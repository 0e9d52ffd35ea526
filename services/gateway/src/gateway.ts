import type { IncomingMessage } from 'node:http'
import { newTraceparent } from '@ashlar/platform/context'
import type { Authenticator, HttpServer } from '@ashlar/platform/http'
import { createMemoryLimiter } from '@ashlar/platform/limits'
import type { Runtime, ServiceName } from '@ashlar/platform/runtime'
import { createBrokenAnswer } from './api/broken.ts'
import { createEdge } from './api/edge.ts'
import { createManagement } from './api/management.ts'
import { createObserver } from './api/observe.ts'
import { createOwnServer } from './api/own-server.ts'
import type { DevTools, Passport, Upstream } from './application/ports.ts'
import { openApiOf, routesOf } from './application/queries/openapi.ts'
import { mergeExpositions } from './domain/expositions.ts'
import { createHostGuard } from './domain/hosts.ts'
import { UPSTREAM_NAMES, type UpstreamName } from './domain/prefixes.ts'
import { createRoutePatterns } from './domain/route-patterns.ts'
import { FrontServer, type FrontTimeouts } from './infrastructure/front-server.ts'
import { createInProcessUpstream } from './infrastructure/in-process-upstream.ts'
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

const REGISTRIES: readonly ServiceName[] = ['gateway', ...UPSTREAM_NAMES, 'bus']

/** The one door from outside: decides about every request, then hands it to a service of this process. */
export const createGateway = async (deps: GatewayDeps): Promise<Gateway> => {
  const { runtime, settings, services, authenticator, publicUrl } = deps
  const production = runtime.environment === 'production'
  const log = runtime.logger('gateway')
  const observer = createObserver(runtime.metrics('gateway'), log)
  const passports = new WeakMap<IncomingMessage, Passport>()
  const upstreams = Object.fromEntries(
    UPSTREAM_NAMES.map((name) => [name, createInProcessUpstream(services[name].http)]),
  ) as Record<UpstreamName, Upstream>

  const documents = UPSTREAM_NAMES.map((service) => ({ service, document: upstreams[service].openapi() }))
  const patterns = createRoutePatterns(documents.flatMap(({ document }) => routesOf(document)))
  let openapi: object = {}

  const metrics = async () =>
    mergeExpositions(await Promise.all(REGISTRIES.map((name) => runtime.metrics(name).registry.metrics())))

  const own: HttpServer = await createOwnServer({
    runtime,
    upstreams,
    metricsPublic: settings.metricsPublic || !production,
    metrics,
    openapi: () => openapi,
    serves: (method, path) => patterns(method, path)?.path === path,
    passportOf: (request) =>
      passports.get(request.raw) ?? { ip: '', requestId: request.id, traceparent: newTraceparent() },
    dev: production ? undefined : deps.dev,
  })

  // Two services that claim one path are a mistake of the composition: found here, not by the first reader.
  openapi = openApiOf([{ service: 'gateway', document: own.openapi() }, ...documents], publicUrl)

  const limiter = createMemoryLimiter()
  const edge = createEdge({
    hosts: createHostGuard({ publicUrl, allowed: settings.allowedHosts, loopback: !production }),
    upstreams,
    own: (request, response, passport) => {
      passports.set(request, passport)
      return own.handle(request, response, passport)
    },
    patterns,
    authenticator,
    limits: settings.rateLimitEnabled
      ? { limiter, perAddress: { name: 'ip', quota: settings.requestsPerMinute, windowMs: 60_000 } }
      : undefined,
    observer,
    log,
  })

  const broken = createBrokenAnswer(observer)
  const timeouts = timeoutsOf(settings)
  const front = new FrontServer({ timeouts, onRequest: edge, onBroken: broken })
  const management = production
    ? new FrontServer({
        timeouts,
        onRequest: createManagement({
          own,
          metrics,
          metricsType: runtime.metrics('gateway').registry.contentType,
        }),
        onBroken: broken,
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
    },
  }
}

const timeoutsOf = (settings: GatewaySettings): FrontTimeouts => ({
  headersMs: settings.headersSeconds * 1_000,
  requestMs: settings.bodySeconds * 1_000,
  idleMs: settings.idleSeconds * 1_000,
  drainMs: settings.drainSeconds * 1_000,
  graceMs: 500,
})
