import type { Statements } from '@ashlar/platform/postgres'
import { type Kysely, sql } from 'kysely'
import type { AuthTx } from '../../application/ports.ts'
import type { Rights } from '../../domain/account.ts'
import type { EmailAddress } from '../../domain/email.ts'
import type { AuthTables } from './tables.ts'
import { rightsOf } from './users.ts'

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

export const createRefreshTokens = (db: Kysely<AuthTables>, statements: Statements): AuthTx['refreshTokens'] => ({
  lock: async (hash) => {
    // The session's row is the lock of its whole lineage, and of its rights.
    const locking = sql<SessionRow>`
      SELECT id, user_id, amr, auth_time, rights_version, absolute_expires_at, ended_at FROM sessions
      WHERE id = (SELECT session_id FROM refresh_tokens WHERE token_hash = ${hash})
      FOR NO KEY UPDATE`.execute(db)
    // A statement of its own: only one that starts after the lock was given sees what its last holder wrote. Asked with
    // the other, it costs no round trip; the server begins it when that one has ended.
    const reading = sql<TokenRow>`
      SELECT t.predecessor_hash, t.expires_at, t.consumed_at, t.successor_sealed,
        n.consumed_at IS NOT NULL AS successor_used, n.expires_at AS successor_expires_at, u.email,
        ${rightsOf(sql.ref('u.id'))}
      FROM refresh_tokens t
        JOIN sessions s ON s.id = t.session_id
        JOIN users u ON u.id = s.user_id
        LEFT JOIN refresh_tokens n ON n.token_hash = t.successor_hash
      WHERE t.token_hash = ${hash}`.execute(db)
    const [sessions, tokens] = await Promise.all([locking, reading])
    const session = sessions.rows[0]
    const token = tokens.rows[0]
    if (!session || !token) return undefined
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
        rolesVersion: token.rolesVersion,
      },
    }
  },

  rotate: async ({ hash, predecessorHash, grant }, { createdAt, hash: successor, sealed, expiresAt }) =>
    statements.later(ROTATE, [createdAt, successor, sealed, hash, predecessorHash, grant.sessionId, expiresAt]),
})

/**
 * Using a token ends the grace of the one before it: its sealed copy of this token is of no use any more. Had the token
 * changed under the lock of its session, nothing would be added, and the division ends the transaction.
 */
const ROTATE = `
  WITH consumed AS (
    UPDATE refresh_tokens SET consumed_at = $1, successor_hash = $2, successor_sealed = $3
    WHERE token_hash = $4 AND consumed_at IS NULL RETURNING token_hash),
  closed AS (
    UPDATE refresh_tokens SET successor_sealed = NULL WHERE token_hash = $5),
  added AS (
    INSERT INTO refresh_tokens (token_hash, session_id, predecessor_hash, created_at, expires_at)
    SELECT $2, $6::uuid, token_hash, $1, $7::timestamptz FROM consumed RETURNING 1)
  SELECT 1 / count(*) FROM added`
