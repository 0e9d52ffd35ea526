import { CLOCK_SKEW_SECONDS, type Revocation } from '@ashlar/platform/tokens'
import { type Kysely, sql } from 'kysely'
import type { AuthTables } from './tables.ts'

/** Writes revocations within a unit of work, and remembers what it wrote for whoever announces it after the commit. */
export type RevocationLog = {
  append(entries: readonly Omit<Revocation, 'sequence' | 'expiresAt'>[], now: Date): Promise<void>
  written(): readonly Revocation[]
}

// A token that is being signed while its session ends dates from before the end by at most a transaction's time limit.
const MARGIN_SECONDS = 60

/** `tokenSeconds`: the life of an access token, after which nobody needs to be told any more. */
export const createRevocationLog = (db: Kysely<AuthTables>, tokenSeconds: number): RevocationLog => {
  const written: Revocation[] = []
  return {
    append: async (entries, now) => {
      if (entries.length === 0) return
      const expiresAt = new Date(now.getTime() + (tokenSeconds + CLOCK_SKEW_SECONDS + MARGIN_SECONDS) * 1000)
      // The head stays locked until the commit: a sequence is visible only after all lower ones.
      const { rows } = await sql<{ sequence: bigint }>`
        WITH head AS (
          UPDATE revocation_head SET sequence = sequence + ${entries.length} RETURNING sequence)
        INSERT INTO revocations (sequence, session_id, kind, rights_version, expires_at)
        SELECT head.sequence - ${entries.length} + entry.position, entry.session_id, entry.kind, entry.rights_version,
          ${expiresAt}
        FROM head, unnest(
          ${entries.map(({ sessionId }) => sessionId)}::uuid[],
          ${entries.map(({ kind }) => kind)}::text[],
          ${entries.map(({ rightsVersion }) => rightsVersion)}::integer[]
        ) WITH ORDINALITY AS entry (session_id, kind, rights_version, position)
        RETURNING sequence`.execute(db)
      const sequences = rows.map(({ sequence }) => Number(sequence)).sort((a, b) => a - b)
      written.push(...entries.map((entry, i) => ({ ...entry, sequence: sequences[i] ?? 0, expiresAt })))
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
    SELECT head.sequence AS head, r.sequence, r.session_id, r.kind, r.rights_version, r.expires_at
    FROM revocation_head head LEFT JOIN revocations r ON r.sequence > ${since}
    ORDER BY r.sequence`.execute(db)
  const found = rows.flatMap(({ sequence, session_id, kind, rights_version, expires_at }) =>
    sequence === null || session_id === null || kind === null || rights_version === null || expires_at === null
      ? []
      : [
          {
            sequence: Number(sequence),
            sessionId: session_id,
            kind,
            rightsVersion: rights_version,
            expiresAt: expires_at,
          },
        ],
  )
  return { rows: found, lastSequence: Number(rows[0]?.head ?? 0n) }
}

type Nullable<T> = { [K in keyof T]: T[K] | null }
