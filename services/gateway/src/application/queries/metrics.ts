import type { Runtime, ServiceName } from '@ashlar/platform/runtime'
import { mergeExpositions } from '../../domain/expositions.ts'
import { UPSTREAM_NAMES } from '../../domain/prefixes.ts'

type Deps = { runtime: Runtime; delay: { readonly averageMs: number }; workload: { inFlight(): number } }

const REGISTRIES: readonly ServiceName[] = ['gateway', ...UPSTREAM_NAMES, 'bus']

/** The metrics of all services in one text, with how busy the process is at this moment. */
export const createExposition = ({ runtime, delay, workload }: Deps): (() => Promise<string>) => {
  const own = runtime.metrics('gateway')
  const late = own.gauge('event_loop_delay_seconds', 'How late the event loop is, averaged over the last seconds.')
  const inFlight = own.gauge('http_requests_in_flight', 'Requests that services are at work on.')
  return async () => {
    late.set(delay.averageMs / 1_000)
    inFlight.set(workload.inFlight())
    return mergeExpositions(await Promise.all(REGISTRIES.map((name) => runtime.metrics(name).registry.metrics())))
  }
}
