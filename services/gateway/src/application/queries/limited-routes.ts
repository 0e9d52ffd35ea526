import { ConfigurationError } from '@ashlar/platform/config'
import { buildOpenApi } from '@ashlar/platform/http'
import { gatewayErrors, gatewayRoutes } from '../../contract.ts'
import type { EndpointLimit } from '../../domain/endpoint-limits.ts'
import type { Route } from '../../domain/route-patterns.ts'
import { routesOf, type ServiceDocument } from './openapi.ts'

/**
 * Every route with its own request limits, which the configuration may give other numbers. A name that no route has
 * would be a limit that somebody believes in and nobody counts: refused.
 */
export const limitedRoutes = (
  documents: readonly ServiceDocument[],
  configured: Readonly<Record<string, EndpointLimit>>,
): { ofServices: Route[]; ofGateway: Route[] } => {
  const ofServices = documents.flatMap(({ document }) => routesOf(document))
  const ofGateway = routesOf(buildOpenApi({ service: 'gateway', routes: gatewayRoutes, errors: gatewayErrors }))

  const known = new Set([...ofServices, ...ofGateway].flatMap(({ limits }) => limits.map(({ name }) => name)))
  const unknown = Object.keys(configured).filter((name) => !known.has(name))
  if (unknown.length > 0) {
    const names = [...known].sort().join(', ')
    throw new ConfigurationError([`ASHLAR_RATE_LIMIT_ENDPOINTS: there is no ${unknown.join(', ')}, only ${names}`])
  }
  const adjusted = (route: Route): Route => ({
    ...route,
    limits: route.limits.map((limit) => {
      const own = configured[limit.name]
      return own ? { name: limit.name, quota: own.quota, windowMs: own.windowSeconds * 1_000 } : limit
    }),
  })
  return { ofServices: ofServices.map(adjusted), ofGateway: ofGateway.map(adjusted) }
}
