import { traceIdOf } from '@ashlar/platform/context'
import { createRequestMetrics, methodLabel } from '@ashlar/platform/http'
import type { Logger, Metrics } from '@ashlar/platform/telemetry'
import type { Exchange } from './exchange.ts'

export type Observer = {
  /** Once per request, after its answer has gone or its connection broke. */
  finished(exchange: Exchange): void
  /** Bytes that were no request. */
  broken(about: { requestId: string; status: number; code: string; ip: string }): void
}

/** The one log line and the metrics of each request that passes the gateway; label values are patterns, never input. */
export const createObserver = (metrics: Metrics, log: Logger): Observer => {
  const count = createRequestMetrics(metrics)

  return {
    finished: (exchange) => {
      const { request, response, path, below, own } = exchange
      const durationMs = performance.now() - exchange.startedAtMs
      // 499: the client went away before it had its answer.
      const status = response.writableFinished ? response.statusCode : 499
      const method = methodLabel(request.method ?? '')
      const route = own && below ? openApiPath(below.route) : exchange.route
      if (!own) count(method, route, status, durationMs / 1000)
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
          code: exchange.code ?? below?.code,
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

/** A pattern of the gateway's own router in the spelling of all others: `/health/:service` is `/health/{service}`. */
const openApiPath = (pattern: string): string => pattern.replace(/:(\w+)/g, '{$1}')
