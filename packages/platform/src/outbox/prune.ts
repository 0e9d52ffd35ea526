import { type Kysely, sql } from 'kysely'

/**
 * Forgets events that were handled more than `days` (30) ago; answers how many. Longer than any event can be
 * redelivered: the bus keeps them a week.
 */
// biome-ignore lint/suspicious/noExplicitAny: any database that has the platform's tables
export const pruneInbox = async (db: Kysely<any>, { days = 30 }: { days?: number } = {}): Promise<number> => {
  const { numAffectedRows } = await sql`
    DELETE FROM inbox WHERE handled_at < now() - make_interval(days => ${days})`.execute(db)
  return Number(numAffectedRows ?? 0n)
}
