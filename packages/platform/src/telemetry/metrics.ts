import { Counter, Gauge, Histogram, Registry } from 'prom-client'

/** The metrics of one service. Asking for a name again gives the same metric. */
export type Metrics = {
  readonly registry: Registry
  counter(name: string, help: string, labelNames?: readonly string[]): Counter
  gauge(name: string, help: string, labelNames?: readonly string[]): Gauge
  /**
   * A gauge that is read when somebody asks for it and costs nothing meanwhile. `read` adds its values with `inc`, so
   * several readers of one gauge make a sum. Answers how to end it.
   */
  sample(name: string, help: string, labelNames: readonly string[], read: (gauge: Gauge) => void): () => void
  /** `buckets` are upper bounds in the unit of the name; without them, seconds from 1 ms to 10 s. */
  histogram(name: string, help: string, labelNames?: readonly string[], buckets?: readonly number[]): Histogram
}

/** Upper bounds of what is measured in seconds, unless others are given. */
export const SECONDS_BUCKETS: readonly number[] = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
]

/** A registry of its own with the label `service` on everything: two Ashlars in one process never meet in a global one. */
export const createMetrics = ({ service }: { service: string }): Metrics => {
  const registry = new Registry()
  registry.setDefaultLabels({ service })

  const readers = new Map<string, Set<(gauge: Gauge) => void>>()
  const readersOf = (name: string): Set<(gauge: Gauge) => void> => {
    const known = readers.get(name) ?? new Set()
    readers.set(name, known)
    return known
  }

  const once = <M extends Counter | Gauge | Histogram>(
    name: string,
    kind: new (...of: never[]) => M,
    make: () => M,
  ): M => {
    const known = registry.getSingleMetric(name)
    if (known === undefined) {
      checkName(name, kind === Counter)
      return make()
    }
    if (known instanceof kind) return known
    throw new Error(`The metric ${name} exists as another kind.`)
  }
  const common = (name: string, help: string, labelNames: readonly string[] = []) => {
    if (help.trim() === '') throw new Error(`The metric ${name} needs a help text.`)
    return { name, help, labelNames: [...labelNames], registers: [registry] }
  }

  return {
    registry,
    counter: (name, help, labelNames) => once(name, Counter, () => new Counter(common(name, help, labelNames))),
    gauge: (name, help, labelNames) => once(name, Gauge, () => new Gauge(common(name, help, labelNames))),
    sample: (name, help, labelNames, read) => {
      if (registry.getSingleMetric(name) !== undefined && !readers.has(name))
        throw new Error(`The metric ${name} is set by somebody else.`)
      const all = readersOf(name)
      once(name, Gauge, () => {
        const gauge: Gauge = new Gauge({
          ...common(name, help, labelNames),
          collect: () => {
            gauge.reset()
            for (const one of all) one(gauge)
          },
        })
        return gauge
      })
      all.add(read)
      return () => void all.delete(read)
    },
    histogram: (name, help, labelNames, buckets = SECONDS_BUCKETS) =>
      once(name, Histogram, () => new Histogram({ ...common(name, help, labelNames), buckets: [...buckets] })),
  }
}

/** Counters whose names are fixed elsewhere. */
const FIXED_COUNTERS: readonly string[] = ['cache_hits', 'cache_misses']

/** What `promtool check metrics` asks of a name: https://prometheus.io/docs/practices/naming/ */
const checkName = (name: string, isCounter: boolean): void => {
  if (!/^[a-z][a-z0-9_]*$/.test(name)) throw new Error(`The metric ${name} is not in snake case.`)
  if (isCounter && !name.endsWith('_total') && !FIXED_COUNTERS.includes(name)) {
    throw new Error(`The counter ${name} must end in _total.`)
  }
  if (!isCounter && /_(?:total|count|sum|bucket)$/.test(name))
    throw new Error(`The metric ${name} ends as only others do.`)
  if (/_(?:ms|milliseconds|minutes|hours|kilobytes|megabytes|kb|mb)(?:_total)?$/.test(name)) {
    throw new Error(`The metric ${name} must be in a base unit: seconds, bytes.`)
  }
}
