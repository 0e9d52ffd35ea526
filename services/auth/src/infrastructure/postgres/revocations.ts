import { CLOCK_SKEW_SECONDS, type Revocation } from '@ashlar/platform/tokens'
import { type Kysely, sql } from 'kysely'
import type { AuthTables } from './tables.ts'

type News = Revocation extends infer R ? (R extends unknown ? Omit<R, 'sequence' | 'expiresAt'> : never) : never

/** Writes revocations within a unit of work, and remembers what it wrote for whoever announces it after the commit. */
export type RevocationLog = {
  /** The sequences that were given, in the order of the entries. */
  append(entries: readonly News[], now: Date): Promise<number[]>
  written(): readonly Revocation[]
}

// A token that is being signed while its session ends dates from before the end by at most a transaction's time limit.
const MARGIN_SECONDS = 60

/** `tokenSeconds`: the life of an access token, after which nobody needs to be told any more. */
export const createRevocationLog = (db: Kysely<AuthTables>, tokenSeconds: number): RevocationLog => {
  const written: Revocation[] = []
  return {
    append: async (entries, now) => {
      if (entries.length === 0) return []
      const expiresAt = new Date(now.getTime() + (tokenSeconds + CLOCK_SKEW_SECONDS + MARGIN_SECONDS) * 1000)
      // The head stays locked until the commit: a sequence is visible only after all lower ones.
      const { rows } = await sql<{ sequence: bigint }>`
        WITH head AS (
          UPDATE revocation_head SET sequence = sequence + ${entries.length} RETURNING sequence)
        INSERT INTO revocations (sequence, session_id, role, kind, rights_version, expires_at)
        SELECT head.sequence - ${entries.length} + entry.position, entry.session_id, entry.role, entry.kind,
          entry.rights_version, ${expiresAt}
        FROM head, unnest(
          ${entries.map((entry) => (entry.kind === 'role' ? null : entry.sessionId))}::uuid[],
          ${entries.map((entry) => (entry.kind === 'role' ? entry.role : null))}::text[],
          ${entries.map(({ kind }) => kind)}::text[],
          ${entries.map((entry) => (entry.kind === 'stale' ? entry.rightsVersion : 0))}::integer[]
        ) WITH ORDINALITY AS entry (session_id, role, kind, rights_version, position)
        RETURNING sequence`.execute(db)
      const sequences = rows.map(({ sequence }) => Number(sequence)).sort((a, b) => a - b)
      written.push(...entries.map((entry, i) => ({ ...entry, sequence: sequences[i] ?? 0, expiresAt })))
      return sequences
    },
    written: () => written,
  }
}

/** What was revoked after a sequence, and the last one that was given; both of one snapshot. */
export const readRevocations = async (
  db: Kysely<AuthTables>,
  since: number,
): Promise<{ rows: Revocation[]; lastSequence: number }> => {
  const { rows } = await sql<{ head: bigint } & Nullable<AuthTables['revocations']>>`
    SELECT head.sequence AS head, r.*
    FROM revocation_head head LEFT JOIN revocations r ON r.sequence > ${since}
    ORDER BY r.sequence`.execute(db)
  return { rows: rows.flatMap(toRevocation), lastSequence: Number(rows[0]?.head ?? 0n) }
}

type Nullable<T> = { [K in keyof T]: T[K] | null }

const toRevocation = (row: Nullable<AuthTables['revocations']>): Revocation[] => {
  const { sequence, session_id: sessionId, role, kind, rights_version: rightsVersion, expires_at: expiresAt } = row
  if (sequence === null || expiresAt === null) return []
  const common = { sequence: Number(sequence), expiresAt }
  if (kind === 'role') return role === null ? [] : [{ ...common, kind, role }]
  if (sessionId === null) return []
  if (kind === 'revoked') return [{ ...common, kind, sessionId }]
  return kind === 'stale' ? [{ ...common, kind, sessionId, rightsVersion: rightsVersion ?? 0 }] : []
}
