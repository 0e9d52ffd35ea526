import type { Span, Tracing } from '../telemetry/index.ts'
import { methodLabel } from './request-metrics.ts'
import type { RequestState } from './state.ts'

export type StartSpan = (method: string, parent: string | undefined) => Span

/** How a server begins the span of a request that nobody in front has begun; undefined where spans are not recorded. */
export const createStartSpan = (tracing: Tracing, service: string): StartSpan | undefined =>
  tracing.on
    ? (method, parent) =>
        tracing.start(methodLabel(method), {
          kind: 'server',
          parent,
          attributes: { 'http.request.method': methodLabel(method), 'ashlar.service': service },
        })
    : undefined

/** Names the span by the route's pattern: a path may hold a secret, and every name is kept by the collector. */
export const endSpan = (span: Span, method: string, status: number, { route, requestId, code }: RequestState): void => {
  span.rename(`${methodLabel(method)} ${route}`)
  span.set({
    'http.route': route,
    'http.response.status_code': status,
    'ashlar.request_id': requestId,
    'ashlar.code': code,
  })
  span.end(status >= 500 ? (code ?? String(status)) : undefined)
}
