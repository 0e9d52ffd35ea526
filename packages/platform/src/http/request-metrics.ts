import type { Metric, Registry } from 'prom-client'
import { type Metrics, SECONDS_BUCKETS } from '../telemetry/index.ts'

/** Counts one finished request. `route` is a pattern, never what a caller made up. */
export type CountRequest = (method: string, route: string, status: number, seconds: number) => void

const KNOWN_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** The method as a label: what nobody serves is one label together, or made-up methods would grow the registry. */
export const methodLabel = (method: string): string => (KNOWN_METHODS.has(method) ? method : '_OTHER')

type Labels = { method: string; route: string; status: string }
/** `buckets`: how many fell into each, and last those beyond all. */
type Tally = { labels: Labels; count: number; seconds: number; buckets: number[] }
type Tallies = { find(method: string, route: string, status: number): Tally; all(): Tally[] }

/**
 * The three metrics of requests, the same for every server; asked for again, the same ones go on. They are counted in
 * plain numbers and written out when somebody asks: through the library's own metrics, the labels of each request would
 * be made, checked and joined three times, which is a tenth of what a small request costs.
 */
export const createRequestMetrics = ({ registry }: Metrics): CountRequest => {
  const tallies = known(registry) ?? register(registry)
  return (method, route, status, seconds) => {
    const tally = tallies.find(methodLabel(method), route, status)
    tally.count += 1
    tally.seconds += seconds
    let at = 0
    while (at < SECONDS_BUCKETS.length && seconds > (SECONDS_BUCKETS[at] as number)) at += 1
    tally.buckets[at] = (tally.buckets[at] ?? 0) + 1
  }
}

const createTallies = (): Tallies => {
  const byRoute = new Map<string, Map<string, Map<number, Tally>>>()
  const within = <K, V>(map: Map<K, V>, key: K, make: () => V): V => {
    const found = map.get(key)
    if (found !== undefined) return found
    const made = make()
    map.set(key, made)
    return made
  }
  const make = (method: string, route: string, status: number): Tally => ({
    labels: { method, route, status: String(status) },
    count: 0,
    seconds: 0,
    buckets: Array.from({ length: SECONDS_BUCKETS.length + 1 }, () => 0),
  })
  return {
    find: (method, route, status) => {
      const ofRoute = within(byRoute, route, () => new Map<string, Map<number, Tally>>())
      const ofMethod = within(ofRoute, method, () => new Map<number, Tally>())
      return within(ofMethod, status, () => make(method, route, status))
    },
    all: () => [...byRoute.values()].flatMap((ofRoute) => [...ofRoute.values()].flatMap((of) => [...of.values()])),
  }
}

/** `sharedLabels` are written behind the others. */
type Value = {
  metricName?: string
  labels: Record<string, string | number>
  sharedLabels?: Labels
  value: number
}
type Counted = { readonly tallies: Tallies }

const REQUESTS = 'http_requests_total'
const DURATIONS = 'http_request_duration_seconds'

const known = (registry: Registry): Tallies | undefined =>
  (registry.getSingleMetric(REQUESTS) as Partial<Counted> | undefined)?.tallies

const register = (registry: Registry): Tallies => {
  const tallies = createTallies()
  const add = (
    name: string,
    help: string,
    type: 'counter' | 'histogram',
    valuesOf: (tally: Tally) => Value[],
  ): void => {
    const get = async () => ({ name, help, type, aggregator: 'sum', values: tallies.all().flatMap(valuesOf) })
    const metric: Counted & { name: string; help: string; type: string; get: typeof get } = {
      name,
      help,
      type,
      get,
      tallies,
    }
    registry.registerMetric(metric as unknown as Metric)
  }
  add(REQUESTS, 'Requests that were answered.', 'counter', ({ labels, count }) => [{ labels, value: count }])
  add(
    'http_errors_total',
    'Requests that were answered with a status of 400 or more.',
    'counter',
    ({ labels, count }) => (Number(labels.status) < 400 ? [] : [{ labels, value: count }]),
  )
  add(DURATIONS, 'Time from the arrival of the header to the end of the answer.', 'histogram', histogramOf)
  return tallies
}

const histogramOf = ({ labels: sharedLabels, count, seconds, buckets }: Tally): Value[] => {
  let soFar = 0
  const upTo = (le: number | string, value: number): Value => ({
    metricName: `${DURATIONS}_bucket`,
    labels: { le },
    sharedLabels,
    value,
  })
  return [
    ...SECONDS_BUCKETS.map((le, at) => {
      soFar += buckets[at] ?? 0
      return upTo(le, soFar)
    }),
    upTo('+Inf', count),
    { metricName: `${DURATIONS}_sum`, labels: {}, sharedLabels, value: seconds },
    { metricName: `${DURATIONS}_count`, labels: {}, sharedLabels, value: count },
  ]
}
