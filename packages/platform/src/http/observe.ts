import { METHODS } from 'node:http'
import type { Logger, Metrics } from '../telemetry/index.ts'
import { idsOf, type RequestState } from './state.ts'

export type Observer = (method: string, path: string, status: number, state: RequestState) => void

const LABELS = ['method', 'route', 'status'] as const
const KNOWN_METHODS: readonly string[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']

/**
 * Counts and logs every finished request. Labels hold route patterns and known methods alone: what a caller makes up
 * would grow the registry without bound.
 */
export const createObserver = (metrics: Metrics, logger: Logger, accessLog: boolean): Observer => {
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
  return (method, path, status, state) => {
    const labels = {
      method: KNOWN_METHODS.includes(method) ? method : '_OTHER',
      route: state.route,
      status: String(status),
    }
    const nanoseconds = Number(process.hrtime.bigint() - state.startedAt)
    requests.inc(labels)
    durations.observe(labels, nanoseconds / 1e9)
    if (status >= 400) errors.inc(labels)
    if (!accessLog) return
    logger.info(
      {
        ...idsOf(state),
        method: METHODS.includes(method) ? method : '_OTHER',
        path,
        route: state.route,
        status,
        duration: `${Math.round(nanoseconds / 1e6)}ms`,
        ip: state.ip,
        ...(state.code === undefined ? {} : { code: state.code }),
      },
      'request',
    )
  }
}
