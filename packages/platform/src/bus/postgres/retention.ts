import { createTicker, type Runtime, type Ticker } from '../../runtime/index.ts'
import { pruneBus } from './prune.ts'

export type BusRetentionOptions = {
  /** Of the bus's database, as its own role. */
  url: string
  runtime: Runtime
  /** Between two looks (an hour). */
  everyMs?: number
  /** How long events are kept after every subscription has done them (7). */
  keepDays?: number
}

/** Keeps the bus's log from growing without end. Several of them on one bus do the same work once and no harm. */
export const createBusRetention = ({
  url,
  runtime,
  everyMs = 3_600_000,
  keepDays = 7,
}: BusRetentionOptions): Ticker => {
  const log = runtime.logger('bus')
  const pruned = runtime.metrics('bus').counter('bus_pruned_total', 'Events that have outlived their retention')
  return createTicker({
    everyMs,
    immediately: true,
    work: async () => {
      const count = await pruneBus({ url, days: keepDays })
      pruned.inc(count)
      if (count > 0) log.info({ count }, 'old events were removed from the log')
    },
    onError: (error) => log.warn({ err: error }, 'old events could not be removed, trying again later'),
  })
}
