import type { HealthReport } from '@ashlar/platform/http'
import { UPSTREAM_NAMES, type UpstreamName } from '../../domain/prefixes.ts'
import type { Upstream } from '../ports.ts'

export type GatewayHealth = {
  status: 'ok' | 'degraded'
  service: 'gateway'
  dependencies: Record<UpstreamName, { status: 'up' | 'down'; latencyMs: number }>
  services: Record<UpstreamName, HealthReport>
}

export type Health = { of(name: UpstreamName): Promise<HealthReport>; all(): Promise<GatewayHealth> }

/**
 * The health of each service, and of all together. Reports are shared by everybody who asks while one is being made:
 * these endpoints have no request limit, and must not turn a flood of questions into a flood of database pings.
 */
export const createHealth = (upstreams: Record<UpstreamName, Upstream>): Health => {
  const running = new Map<UpstreamName, Promise<HealthReport>>()

  const of = (name: UpstreamName): Promise<HealthReport> => {
    const known = running.get(name)
    if (known) return known
    const report = upstreams[name].health().finally(() => running.delete(name))
    running.set(name, report)
    return report
  }

  const timed = async (name: UpstreamName) => {
    const beganMs = performance.now()
    const report = await of(name)
    return { name, report, latencyMs: Math.round((performance.now() - beganMs) * 100) / 100 }
  }

  return {
    of,
    all: async () => {
      const reports = await Promise.all(UPSTREAM_NAMES.map(timed))
      const healthy = reports.every(({ report }) => report.status === 'ok')
      return {
        status: healthy ? 'ok' : 'degraded',
        service: 'gateway',
        dependencies: Object.fromEntries(
          reports.map(({ name, report, latencyMs }) => [
            name,
            { status: report.status === 'ok' ? 'up' : 'down', latencyMs },
          ]),
        ) as GatewayHealth['dependencies'],
        services: Object.fromEntries(reports.map(({ name, report }) => [name, report])) as GatewayHealth['services'],
      }
    },
  }
}
