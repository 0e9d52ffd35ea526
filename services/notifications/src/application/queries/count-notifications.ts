import { err, ok, type Result } from '@ashlar/kernel'
import type { Status } from '../../domain/delivery.ts'
import type { CountedGroup, NotificationReader } from '../ports.ts'

export type Counts = Partial<Record<Status, number>>

export type Statistics = {
  from: Date
  to: Date
  total: number
  byStatus: Counts
  byTemplate: { template: string; total: number; byStatus: Counts }[]
  byDay: { day: string; total: number; byStatus: Counts }[]
  latencySeconds: { p50: number | null; p95: number | null; p99: number | null }
}

export type CountNotifications = (input: { from?: Date; to?: Date }) => Promise<Result<Statistics, 'range_refused'>>

type Deps = { reader: Pick<NotificationReader, 'counts' | 'latencies'>; now: () => Date; mostDays: number }

const DAY_MS = 86_400_000
const USUAL_DAYS = 7

/** Messages that were queued in a range, by what became of them; without a range, the last seven days. Days are UTC's. */
export const countNotifications =
  ({ reader, now, mostDays }: Deps): CountNotifications =>
  async (asked) => {
    const to = asked.to ?? now()
    const from = asked.from ?? new Date(to.getTime() - Math.min(USUAL_DAYS, mostDays) * DAY_MS)
    if (from >= to || to.getTime() - from.getTime() > mostDays * DAY_MS) return err('range_refused')

    const groups = await reader.counts({ from, to })
    const [p50 = null, p95 = null, p99 = null] = await reader.latencies({ from, to }, [0.5, 0.95, 0.99])
    const all = countsOf(groups.filter(({ template, day }) => template === null && day === null))
    return ok({
      from,
      to,
      ...all,
      byTemplate: grouped(groups, 'template').map(([template, counts]) => ({ template, ...counts })),
      byDay: grouped(groups, 'day').map(([day, counts]) => ({ day, ...counts })),
      latencySeconds: { p50, p95, p99 },
    })
  }

const countsOf = (groups: readonly CountedGroup[]): { total: number; byStatus: Counts } => ({
  total: groups.reduce((sum, { count }) => sum + count, 0),
  byStatus: Object.fromEntries(groups.map(({ status, count }) => [status, count])),
})

const grouped = (groups: readonly CountedGroup[], by: 'template' | 'day') => {
  const sorted = Map.groupBy(
    groups.filter((group) => group[by] !== null),
    (group) => group[by] ?? '',
  )
  return [...sorted].map(([key, some]) => [key, countsOf(some)] as const)
}
