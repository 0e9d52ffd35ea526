import { type Kysely, sql } from 'kysely'
import type { Link } from '../../domain/entry.ts'
import type { AuditDatabase } from './database.ts'

export type Months = {
  /** Makes the partitions that these entries belong to, where there are none. */
  ensureFor(links: readonly Link[]): Promise<void>
  /** Makes the partition of the month that holds `now`, and of `ahead` more. */
  ensureAhead(now: Date, ahead: number): Promise<void>
}

/** SQLSTATE of a lock that was not given in time. */
const LOCK_NOT_AVAILABLE = '55P03'

/** Remembers which months have their partition, so that asking is free. */
export const createMonths = (db: Kysely<AuditDatabase>): Months => {
  const made = new Set<string>()

  const ensure = async (time: string) => {
    const month = time.slice(0, 7)
    if (made.has(month)) return
    try {
      await sql`SELECT ashlar.ensure_trail_month(${time}::timestamptz)`.execute(db)
    } catch (error) {
      // Whoever reads at length must not hold up the trail: until its month is made an entry lies in the default partition.
      if ((error as { code?: unknown }).code === LOCK_NOT_AVAILABLE) return
      throw error
    }
    if (made.size > 100) made.clear()
    made.add(month)
  }

  return {
    async ensureFor(links) {
      for (const link of [links[0], links.at(-1)]) if (link) await ensure(link.entry.recordedAt)
    },
    async ensureAhead(now, ahead) {
      for (let month = 0; month <= ahead; month += 1) {
        await ensure(new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + month, 1)).toISOString())
      }
    },
  }
}
