import type { Limit } from '@ashlar/platform/limits'

/**
 * What the gateway knows of a route; `path` is its OpenAPI pattern, and anyone may call a `public` one. `limits` are
 * its own, counted per client address beside those for all routes.
 */
export type Route = { method: string; path: string; public: boolean; limits: readonly Limit[] }

/** Finds the route that a request belongs to: `/payments/{id}` for `GET /payments/0193…`, undefined for none. */
export type RoutePatterns = (method: string, path: string) => Route | undefined

type Node = { fixed: Map<string, Node>; any?: Node; routes: Map<string, Route> }

const node = (): Node => ({ fixed: new Map(), routes: new Map() })

/**
 * Patterns of OpenAPI paths, for labels of metrics and log lines: what a caller makes up never becomes one, so their
 * number is bounded by what is built. A fixed segment wins over a parameter, as in the services' own routers.
 */
export const createRoutePatterns = (routes: Iterable<Route>): RoutePatterns => {
  const plain = new Map<string, Route>()
  const root = node()
  for (const route of routes) {
    const { method, path } = route
    if (!path.includes('{')) {
      plain.set(`${method} ${path}`, route)
      continue
    }
    let at = root
    for (const segment of path.slice(1).split('/')) {
      if (segment.startsWith('{')) {
        at.any ??= node()
        at = at.any
      } else {
        const next = at.fixed.get(segment) ?? node()
        at.fixed.set(segment, next)
        at = next
      }
    }
    at.routes.set(method, route)
  }

  const search = (at: Node, segments: readonly string[], depth: number, method: string): Route | undefined => {
    const segment = segments[depth]
    if (segment === undefined) return at.routes.get(method)
    const fixed = at.fixed.get(segment)
    const found = fixed && search(fixed, segments, depth + 1, method)
    return found ?? (at.any && search(at.any, segments, depth + 1, method))
  }

  return (method, path) => {
    const asked = method === 'HEAD' ? 'GET' : method
    return plain.get(`${asked} ${path}`) ?? search(root, path.slice(1).split('/'), 0, asked)
  }
}
