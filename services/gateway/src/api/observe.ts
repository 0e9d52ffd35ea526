import { traceIdOf } from '@ashlar/platform/context'
import type { Logger, Metrics } from '@ashlar/platform/telemetry'
import type { Exchange } from './exchange.ts'

const LABELS = ['method', 'route', 'status'] as const
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

export type Observer = {
  /** Once per request, after its answer has gone or its connection broke. */
  finished(exchange: Exchange): void
  /** Bytes that were no request. */
  broken(about: { requestId: string; status: number; code: string; ip: string }): void
}

/** The one log line and the metrics of each request that passes the gateway; label values are patterns, never input. */
export const createObserver = (metrics: Metrics, log: Logger): Observer => {
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

  const count = (method: string, route: string, status: number, seconds: number): void => {
    const labels = { method: METHODS.has(method) ? method : '_OTHER', route, status: String(status) }
    requests.inc(labels)
    durations.observe(labels, seconds)
    if (status >= 400) errors.inc(labels)
  }

  return {
    finished: (exchange) => {
      const { request, response, route, path } = exchange
      const durationMs = performance.now() - exchange.startedAtMs
      // 499: the client went away before it had its answer.
      const status = response.writableFinished ? response.statusCode : 499
      const method = METHODS.has(request.method ?? '') ? (request.method ?? '') : '_OTHER'
      if (!exchange.countedBelow) count(method, route, status, durationMs / 1000)
      log.info(
        {
          correlationId: exchange.requestId,
          traceId: traceIdOf(exchange.traceparent),
          userId: exchange.userId,
          method,
          // A parameter called token is a secret in the path.
          path: route.includes('{token}') ? route : path,
          route,
          status,
          duration: `${Math.round(durationMs)}ms`,
          ip: exchange.peer.address,
          code: exchange.code,
        },
        'request',
      )
    },
    broken: ({ requestId, status, code, ip }) => {
      count('_OTHER', '(none)', status, 0)
      log.info({ correlationId: requestId, method: '_OTHER', status, code, ip, duration: '0ms' }, 'request')
    },
  }
}
