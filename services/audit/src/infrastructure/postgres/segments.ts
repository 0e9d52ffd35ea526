import { type Kysely, sql } from 'kysely'
import type { Head } from '../../domain/chain.ts'
import type { ChainPiece, Segment } from '../../domain/segment.ts'
import type { AuditDatabase } from './database.ts'

/** What was archived, oldest first. */
export const readSegments = async (db: Kysely<AuditDatabase>): Promise<Segment[]> => {
  const { rows } = await sql<{ segment: Segment }>`
    SELECT segment FROM trail_months WHERE segment IS NOT NULL ORDER BY upper`.execute(db)
  return rows.map(({ segment }) => segment)
}

/** The last entry of a chain of which everything was archived. */
export const archivedEnd = async (db: Kysely<AuditDatabase>, chain: string): Promise<Head | undefined> => {
  const { rows } = await sql<{ piece: ChainPiece }>`
    SELECT segment -> 'chains' -> ${chain}::text AS piece FROM trail_months
    WHERE segment -> 'chains' -> ${chain}::text IS NOT NULL ORDER BY upper DESC LIMIT 1`.execute(db)
  const piece = rows[0]?.piece
  return piece && { sequence: piece.to, hash: piece.hash, recordedAt: piece.recordedAt }
}

/** A place alone proves nothing: its entry must stand there, or lie in an archived segment. */
export const readTold = async (db: Kysely<AuditDatabase>, ids: readonly string[]): Promise<Set<string>> => {
  const { rows } = await sql<{ id: string }>`
    SELECT p.id FROM entry_places p
    WHERE p.id = ANY (${ids}::uuid[])
      AND (EXISTS (SELECT 1 FROM entries e WHERE e.chain = p.chain AND e.sequence = p.sequence AND e.id = p.id)
        OR EXISTS (SELECT 1 FROM trail_months m WHERE (m.segment -> 'chains' -> p.chain ->> 'to')::bigint >= p.sequence))`.execute(
    db,
  )
  return new Set(rows.map(({ id }) => id))
}
