import { createRequestMetrics, methodLabel } from '@ashlar/platform/http'
import type { Logger, Metrics, Span } from '@ashlar/platform/telemetry'
import type { Exchange } from './exchange.ts'
import { requestLines } from './header-log.ts'

export type Observer = {
  /** Once per request, after its answer has gone or its connection broke. */
  finished(exchange: Exchange): void
  /** Bytes that were no request. */
  broken(about: { requestId: string; status: number; code: string; ip: string }): void
}

/** The one log line, the metrics and the span of each request that passes the gateway; labels are patterns, never input. */
export const createObserver = (metrics: Metrics, log: Logger): Observer => {
  const count = createRequestMetrics(metrics)

  return {
    finished: (exchange) => {
      const { request, response, path, below, own, span, sentHeaders } = exchange
      const durationMs = performance.now() - exchange.startedAtMs
      // 499: the client went away before it had its answer.
      const status = response.writableFinished ? response.statusCode : 499
      const method = methodLabel(request.method ?? '')
      const route = own && below ? openApiPath(below.route) : exchange.route
      const code = exchange.code ?? below?.code
      if (!own) count(method, route, status, durationMs / 1000)
      log.info(
        {
          correlationId: exchange.requestId,
          // Written here, so its form need not be checked (W3C Trace Context, section 3.2).
          traceId: exchange.traceparent.slice(3, 35),
          userId: exchange.userId,
          method,
          // A parameter called token is a secret in the path.
          path: route.includes('{token}') ? route : path,
          route,
          status,
          duration: `${Math.round(durationMs)}ms`,
          // Head and body of the answer, as they went over the wire.
          bytes: request.socket.bytesWritten - exchange.sentBefore,
          ip: exchange.client.address,
          code,
          ...(sentHeaders && { requestHeaders: requestLines(request.headers), responseHeaders: sentHeaders() }),
        },
        'request',
      )
      if (span) endSpan(span, method, route, status, code, exchange.requestId)
    },
    broken: ({ requestId, status, code, ip }) => {
      count('_OTHER', '(none)', status, 0)
      log.info({ correlationId: requestId, method: '_OTHER', status, code, ip, duration: '0ms' }, 'request')
    },
  }
}

/** A pattern of the gateway's own router in the spelling of all others: `/health/:service` is `/health/{service}`. */
const openApiPath = (pattern: string): string => pattern.replace(/:(\w+)/g, '{$1}')

/** Named by the pattern: a path may hold a secret, and a collector keeps every name. */
const endSpan = (
  span: Span,
  method: string,
  route: string,
  status: number,
  code: string | undefined,
  requestId: string,
): void => {
  span.rename(`${method} ${route}`)
  span.set({
    'http.route': route,
    'http.response.status_code': status,
    'ashlar.request_id': requestId,
    'ashlar.code': code,
  })
  span.end(status >= 500 ? (code ?? String(status)) : undefined)
}
