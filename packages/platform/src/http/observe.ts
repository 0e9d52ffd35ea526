import { METHODS } from 'node:http'
import type { Logger, Metrics } from '../telemetry/index.ts'
import { createRequestMetrics } from './request-metrics.ts'
import { idsOf, type RequestState } from './state.ts'

export type Observer = (method: string, path: string, status: number, state: RequestState) => void

/** Counts every finished request, and logs those that nobody in front logs. */
export const createObserver = (metrics: Metrics, logger: Logger, accessLog: boolean): Observer => {
  const count = createRequestMetrics(metrics)
  return (method, path, status, state) => {
    const durationMs = performance.now() - state.startedAtMs
    count(method, state.route, status, durationMs / 1e3)
    if (!accessLog || state.logged) return
    logger.info(
      {
        ...idsOf(state),
        method: METHODS.includes(method) ? method : '_OTHER',
        path,
        route: state.route,
        status,
        duration: `${Math.round(durationMs)}ms`,
        ip: state.ip,
        ...(state.code === undefined ? {} : { code: state.code }),
      },
      'request',
    )
  }
}
