import { ok } from '@ashlar/kernel'
import type { Handlers } from '@ashlar/platform/http'
import type { Logger, Metrics } from '@ashlar/platform/telemetry'
import type { gatewayRoutes } from '../contract.ts'
import { violationOf } from '../domain/csp-report.ts'

/** More in one report than these are counted, not logged. */
const LOGGED = 5

/** Counts and logs what broke a content security policy. Anybody can send such a report, so it is a hint, no proof. */
export const createCspReports = (metrics: Metrics, log: Logger): Handlers<typeof gatewayRoutes>['cspReport'] => {
  const count = metrics.counter('csp_violations_total', 'Reported breaches of the content security policy.', [
    'directive',
    'disposition',
  ])
  return async ({ body, ip }) => {
    const reports = Array.isArray(body)
      ? body.flatMap((report) => (report.type === 'csp-violation' ? [report.body ?? {}] : []))
      : [body['csp-report']]
    for (const [at, report] of reports.entries()) {
      const { directive, disposition, blocked, page } = violationOf(report)
      count.inc({ directive, disposition })
      if (at < LOGGED) log.warn({ directive, disposition, blocked, page, ip }, 'a content security policy was broken')
    }
    return ok({ status: 204 })
  }
}
