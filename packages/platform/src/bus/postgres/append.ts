import { type Kysely, sql } from 'kysely'
import type { Envelope } from '../../events/index.ts'

/** Puts events into the log, those that are there already left out; answers how many were new. */
// biome-ignore lint/suspicious/noExplicitAny: the bus's tables are reached through its function alone
export const append = async (db: Kysely<any>, envelopes: readonly Envelope[]): Promise<number> => {
  const { rows } = await sql<{ added: number }>`
    SELECT bus_append(
      ${envelopes.map((envelope) => envelope.id)}::uuid[],
      ${envelopes.map((envelope) => envelope.type)}::text[],
      ${envelopes.map((envelope) => envelope.subject)}::text[],
      ${envelopes.map((envelope) => JSON.stringify(envelope))}::text[]) AS added`.execute(db)
  return rows[0]?.added ?? 0
}
