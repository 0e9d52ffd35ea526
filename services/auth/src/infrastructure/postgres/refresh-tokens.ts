import { type Kysely, sql } from 'kysely'
import type { AuthTx } from '../../application/ports.ts'
import type { Rights } from '../../domain/account.ts'
import type { EmailAddress } from '../../domain/email.ts'
import type { AuthTables } from './tables.ts'

type SessionRow = Pick<
  AuthTables['sessions'],
  'id' | 'user_id' | 'amr' | 'auth_time' | 'absolute_expires_at' | 'ended_at'
> & { rights_version: number }

type TokenRow = Rights & {
  email: EmailAddress
  predecessor_hash: Buffer | null
  expires_at: Date
  consumed_at: Date | null
  successor_sealed: Buffer | null
  successor_used: boolean
  successor_expires_at: Date | null
}

export const createRefreshTokens = (db: Kysely<AuthTables>): AuthTx['refreshTokens'] => ({
  lock: async (hash) => {
    // The session's row is the lock of its whole lineage, and of its rights.
    const sessions = await sql<SessionRow>`
      SELECT id, user_id, amr, auth_time, rights_version, absolute_expires_at, ended_at FROM sessions
      WHERE id = (SELECT session_id FROM refresh_tokens WHERE token_hash = ${hash})
      FOR NO KEY UPDATE`.execute(db)
    const session = sessions.rows[0]
    if (!session) return undefined
    // A statement of its own: only one that starts after the lock was given sees what its last holder wrote.
    const tokens = await sql<TokenRow>`
      SELECT t.predecessor_hash, t.expires_at, t.consumed_at, t.successor_sealed,
        n.consumed_at IS NOT NULL AS successor_used, n.expires_at AS successor_expires_at, u.email,
        ARRAY(SELECT role FROM user_roles WHERE user_id = u.id ORDER BY role) AS roles,
        ARRAY(SELECT DISTINCT p.permission FROM user_roles r JOIN role_permissions p ON p.role = r.role
              WHERE r.user_id = u.id ORDER BY p.permission) AS permissions
      FROM refresh_tokens t
        JOIN users u ON u.id = ${session.user_id}
        LEFT JOIN refresh_tokens n ON n.token_hash = t.successor_hash
      WHERE t.token_hash = ${hash}`.execute(db)
    const token = tokens.rows[0]
    if (!token) return undefined
    return {
      hash,
      expiresAt: token.expires_at,
      consumedAt: token.consumed_at,
      predecessorHash: token.predecessor_hash,
      successorUsed: token.successor_used,
      successorSealed: token.successor_sealed,
      successorExpiresAt: token.successor_expires_at,
      sessionEnded: session.ended_at !== null,
      absoluteExpiresAt: session.absolute_expires_at,
      grant: {
        sessionId: session.id,
        userId: session.user_id,
        email: token.email,
        amr: session.amr,
        authTime: session.auth_time,
        rightsVersion: session.rights_version,
        roles: token.roles,
        permissions: token.permissions,
      },
    }
  },

  rotate: async ({ hash, predecessorHash, grant }, successor) => {
    // Using a token ends the grace of the one before it: its sealed copy of this token is of no use any more.
    const { numAffectedRows } = await sql`
      WITH consumed AS (
        UPDATE refresh_tokens
        SET consumed_at = ${successor.createdAt}, successor_hash = ${successor.hash}, successor_sealed = ${successor.sealed}
        WHERE token_hash = ${hash} AND consumed_at IS NULL RETURNING token_hash),
      closed AS (
        UPDATE refresh_tokens SET successor_sealed = NULL WHERE token_hash = ${predecessorHash})
      INSERT INTO refresh_tokens (token_hash, session_id, predecessor_hash, created_at, expires_at)
      SELECT ${successor.hash}, ${grant.sessionId}::uuid, token_hash, ${successor.createdAt}::timestamptz,
        ${successor.expiresAt}::timestamptz
      FROM consumed`.execute(db)
    if (numAffectedRows !== 1n) throw new Error('a refresh token changed under the lock of its session')
  },
})
