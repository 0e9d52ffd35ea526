import type { Metrics } from '../telemetry/index.ts'

/** Counts one finished request. `route` is a pattern, never what a caller made up. */
export type CountRequest = (method: string, route: string, status: number, seconds: number) => void

const LABELS = ['method', 'route', 'status'] as const
const KNOWN_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** The method as a label: what nobody serves is one label together, or made-up methods would grow the registry. */
export const methodLabel = (method: string): string => (KNOWN_METHODS.has(method) ? method : '_OTHER')

/** The three metrics of requests, the same for every server. */
export const createRequestMetrics = (metrics: Metrics): CountRequest => {
  const requests = metrics.counter('http_requests_total', 'Requests that were answered.', LABELS)
  const errors = metrics.counter(
    'http_errors_total',
    'Requests that were answered with a status of 400 or more.',
    LABELS,
  )
  const durations = metrics.histogram(
    'http_request_duration_seconds',
    'Time from the arrival of the header to the end of the answer.',
    LABELS,
  )
  return (method, route, status, seconds) => {
    const labels = { method: methodLabel(method), route, status: String(status) }
    requests.inc(labels)
    durations.observe(labels, seconds)
    if (status >= 400) errors.inc(labels)
  }
}
