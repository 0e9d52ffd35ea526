import type { Statements } from '@ashlar/platform/postgres'
import { type Kysely, sql } from 'kysely'
import type { AuthTx, EndedSession } from '../../application/ports.ts'
import type { SessionId } from '../../domain/account.ts'
import type { RevocationLog } from './revocations.ts'
import type { AuthTables } from './tables.ts'

export const createSessions = (
  db: Kysely<AuthTables>,
  statements: Statements,
  revocations: RevocationLog,
): AuthTx['sessions'] => ({
  open: async ({ id, userId, amr, authTime, ipAddress, userAgent, absoluteExpiresAt }, token) => {
    statements.later(
      `WITH opened AS (
        INSERT INTO sessions (id, user_id, amr, auth_time, ip_address, user_agent, created_at, absolute_expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id)
      INSERT INTO refresh_tokens (token_hash, session_id, created_at, expires_at)
      SELECT $9::bytea, id, $7::timestamptz, $10::timestamptz FROM opened`,
      [
        ...[id, userId, amr, authTime, ipAddress, userAgent, token.createdAt, absoluteExpiresAt],
        ...[token.hash, token.expiresAt],
      ],
    )
  },

  end: async ({ userId, id, except }, reason, now) => {
    // Locked in the order of ids: two that end all sessions of one user must not wait for each other crosswise.
    const { rows } = await sql<EndedSession>`
      UPDATE sessions SET ended_at = ${now}, end_reason = ${reason}
      WHERE id IN (
        SELECT id FROM sessions
        WHERE user_id = ${userId} AND ended_at IS NULL AND absolute_expires_at > ${now}
          AND (${id ?? null}::uuid IS NULL OR id = ${id ?? null}::uuid)
          AND id IS DISTINCT FROM ${except ?? null}::uuid
        ORDER BY id FOR NO KEY UPDATE)
      RETURNING id, user_id AS "userId"`.execute(db)
    await revocations.append(
      rows.map(({ id: sessionId }) => ({ sessionId, kind: 'revoked' })),
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
