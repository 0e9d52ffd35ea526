import { Session } from '../../postgres/index.ts'

/**
 * Removes from the log what every subscription has done and what is older than `days` (7); answers how many events.
 * A repeat of a removed event would be taken for a new one: the inbox, which is kept longer, still knows it.
 * `url`: of the bus's database, as its own role.
 */
export const pruneBus = async ({ url, days = 7 }: { url: string; days?: number }): Promise<number> => {
  const session = await Session.open({ url, applicationName: 'ashlar-prune', dependency: 'bus' })
  try {
    const [row] = await session.query<{ removed: number }>(
      `WITH slowest AS (SELECT coalesce(min(position), 0) AS position FROM subscriptions),
       gone AS (
         DELETE FROM events USING slowest
         WHERE events.position <= slowest.position AND appended_at < now() - make_interval(days => $1) RETURNING 1),
       forgotten AS (
         DELETE FROM deliveries USING subscriptions s
         WHERE s.name = deliveries.subscription AND state = 'discarded' AND deliveries.position <= s.position
           AND dead_at < now() - make_interval(days => $1) RETURNING 1)
       SELECT (SELECT count(*)::int FROM gone) AS removed`,
      [days],
    )
    return row?.removed ?? 0
  } finally {
    await session.close()
  }
}
