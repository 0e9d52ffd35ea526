import { type Kysely, sql } from 'kysely'
import type { AuthTx, EndedSession } from '../../application/ports.ts'
import type { SessionId } from '../../domain/account.ts'
import type { RevocationLog } from './revocations.ts'
import type { AuthTables } from './tables.ts'

export const createSessions = (db: Kysely<AuthTables>, revocations: RevocationLog): AuthTx['sessions'] => ({
  open: async ({ id, userId, amr, authTime, ipAddress, userAgent, absoluteExpiresAt }, token) => {
    await sql`
      WITH opened AS (
        INSERT INTO sessions (id, user_id, amr, auth_time, ip_address, user_agent, created_at, absolute_expires_at)
        VALUES (${id}, ${userId}, ${amr}, ${authTime}, ${ipAddress}, ${userAgent}, ${token.createdAt}, ${absoluteExpiresAt})
        RETURNING id)
      INSERT INTO refresh_tokens (token_hash, session_id, created_at, expires_at)
      SELECT ${token.hash}, id, ${token.createdAt}::timestamptz, ${token.expiresAt}::timestamptz FROM opened`.execute(
      db,
    )
  },

  end: async ({ userId, id }, reason, now) => {
    // Locked in the order of ids: two that end all sessions of one user must not wait for each other crosswise.
    const { rows } = await sql<EndedSession>`
      UPDATE sessions SET ended_at = ${now}, end_reason = ${reason}
      WHERE id IN (
        SELECT id FROM sessions
        WHERE user_id = ${userId} AND ended_at IS NULL AND absolute_expires_at > ${now}
          AND (${id ?? null}::uuid IS NULL OR id = ${id ?? null}::uuid)
        ORDER BY id FOR NO KEY UPDATE)
      RETURNING id, user_id AS "userId"`.execute(db)
    await revocations.append(
      rows.map(({ id: sessionId }) => ({ sessionId, kind: 'revoked', rightsVersion: 0 })),
      now,
    )
    return rows
  },

  markStale: async (userId, now) => {
    const { rows } = await sql<{ id: SessionId; rights_version: number }>`
      UPDATE sessions SET rights_version = rights_version + 1
      WHERE id IN (
        SELECT id FROM sessions WHERE user_id = ${userId} AND ended_at IS NULL ORDER BY id FOR NO KEY UPDATE)
      RETURNING id, rights_version`.execute(db)
    await revocations.append(
      rows.map(({ id: sessionId, rights_version: rightsVersion }) => ({ sessionId, kind: 'stale', rightsVersion })),
      now,
    )
  },
})
