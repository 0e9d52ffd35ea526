import { type Kysely, sql } from 'kysely'
import type { AccountReads, SessionView } from '../../application/ports.ts'
import { type AuthTables, toUser, type UserRow } from './tables.ts'
import { readRights } from './users.ts'

export const createAccountReads = (db: Kysely<AuthTables>): AccountReads => ({
  find: async (id) => {
    const row = await db.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst()
    return row && { ...toUser(row), ...(await readRights(db, id)) }
  },

  forLogin: async (email) => {
    const { rows } = await sql<UserRow & { password_hash: string | null }>`
      SELECT u.*, CASE WHEN u.email_verified_at IS NOT NULL
        THEN (SELECT password_hash FROM credentials WHERE user_id = u.id)
        ELSE (SELECT password_hash FROM registrations WHERE user_id = u.id ORDER BY created_at DESC, id DESC LIMIT 1)
        END AS password_hash
      FROM users u WHERE u.email = ${email}`.execute(db)
    const row = rows[0]
    return row && { user: toUser(row), passwordHash: row.password_hash ?? undefined }
  },

  ofResetToken: async (hash, now) => {
    const row = await db
      .selectFrom('reset_tokens')
      .innerJoin('users', 'users.id', 'reset_tokens.user_id')
      .selectAll('users')
      .where('token_hash', '=', hash)
      .where('expires_at', '>', now)
      .executeTakeFirst()
    return row && toUser(row)
  },

  sessions: async (userId, now, { limit, after }) => {
    const { rows } = await sql<SessionView>`
      SELECT s.id, s.created_at AS "createdAt", t.created_at AS "lastUsedAt", t.expires_at AS "expiresAt",
        s.ip_address AS "ipAddress", s.user_agent AS "userAgent"
      FROM sessions s JOIN refresh_tokens t ON t.session_id = s.id AND t.consumed_at IS NULL
      WHERE s.user_id = ${userId} AND s.ended_at IS NULL AND t.expires_at > ${now}
        AND (${after?.createdAt ?? null}::timestamptz IS NULL
          OR (s.created_at, s.id) < (${after?.createdAt ?? null}::timestamptz, ${after?.id ?? null}::uuid))
      ORDER BY s.created_at DESC, s.id DESC LIMIT ${limit}`.execute(db)
    return rows
  },
})
