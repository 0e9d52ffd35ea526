import { Session } from '../../postgres/index.ts'

/** Removed in one statement, so that none of them runs for long or fills the WAL at once. */
const BATCH = 5_000

/**
 * Removes from the log what every subscription has done and what is older than `days` (7); answers how many events.
 * A repeat of a removed event would be taken for a new one: the inbox, which is kept longer, still knows it.
 * `url`: of the bus's database, as its own role.
 */
export const pruneBus = async ({
  url,
  days = 7,
  batch = BATCH,
}: {
  url: string
  days?: number
  batch?: number
}): Promise<number> => {
  const session = await Session.open({ url, applicationName: 'ashlar-prune', dependency: 'bus' })
  try {
    await session.query(
      `DELETE FROM deliveries USING subscriptions s
       WHERE s.name = deliveries.subscription AND state = 'discarded' AND deliveries.position <= s.position
         AND dead_at < now() - make_interval(days => $1)`,
      [days],
    )
    for (let total = 0; ; ) {
      const [row] = await session.query<{ removed: number }>(
        `WITH slowest AS (SELECT coalesce(min(position), 0) AS position FROM subscriptions),
         -- The log is in the order of its time: where the oldest are young, nothing behind them need be looked at.
         oldest AS (
           SELECT events.position, appended_at FROM events, slowest
           WHERE events.position <= slowest.position ORDER BY events.position LIMIT $2),
         gone AS (
           DELETE FROM events USING oldest
           WHERE events.position = oldest.position AND oldest.appended_at < now() - make_interval(days => $1) RETURNING 1)
         SELECT count(*)::int AS removed FROM gone`,
        [days, batch],
      )
      const removed = row?.removed ?? 0
      total += removed
      if (removed < batch) return total
    }
  } finally {
    await session.close()
  }
}
