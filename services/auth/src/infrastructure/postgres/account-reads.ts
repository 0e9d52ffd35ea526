import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { AccountReads, SessionView, UserFilter } from '../../application/ports.ts'
import type { Rights } from '../../domain/account.ts'
import { ROLE_COLUMNS } from './roles.ts'
import { type AuthTables, type RoleRow, toRole, toUser, type UserRow } from './tables.ts'
import { readRights, rightsOf } from './users.ts'

export const createAccountReads = (db: Kysely<AuthTables>): AccountReads => ({
  find: async (id) => {
    const row = await db.selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst()
    return row && { ...toUser(row), ...(await readRights(db, id)) }
  },

  users: async (filter, { limit, after }) => {
    const conditions = [...conditionsOf(filter)]
    if (after) conditions.push(sql`(u.created_at, u.id) < (${after.createdAt}::timestamptz, ${after.key}::uuid)`)
    // Rights are read for the rows of the page only.
    const { rows } = await sql<UserRow & Rights>`
      SELECT u.*, ${rightsOf(sql.ref('u.id'))} FROM (
        SELECT u.* FROM users u WHERE ${sql.join([sql`true`, ...conditions], sql` AND `)}
        ORDER BY u.created_at DESC, u.id DESC LIMIT ${limit}) u
      ORDER BY u.created_at DESC, u.id DESC`.execute(db)
    return rows.map((row) => {
      const { roles, permissions, rolesVersion } = row
      return { ...toUser(row), roles, permissions, rolesVersion }
    })
  },

  roles: async ({ limit, after }) => {
    // Those that came with the program were made in SQL, whose clock is finer than what a position carries.
    const madeAt = sql`date_trunc('milliseconds', r.created_at)`
    const start = after ? sql`(${madeAt}, r.name) < (${after.createdAt}::timestamptz, ${after.key})` : sql`true`
    const { rows } = await sql<RoleRow>`
      SELECT ${ROLE_COLUMNS} FROM roles r WHERE ${start}
      ORDER BY ${madeAt} DESC, r.name DESC LIMIT ${limit}`.execute(db)
    return rows.map(toRole)
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

  forPasswordChange: async (id) => {
    const row = await db
      .selectFrom('users')
      .innerJoin('credentials', 'credentials.user_id', 'users.id')
      .selectAll('users')
      .select('password_hash')
      .where('users.id', '=', id)
      .executeTakeFirst()
    return row && { user: toUser(row), passwordHash: row.password_hash }
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

// Ends before every address that begins with something greater: the last code point is in none.
const LAST = '\u{10ffff}'

/** Each is served by an index: of the address, of its beginning, of a role's holders, of the deactivated. */
const conditionsOf = ({ email, role, isActive }: UserFilter): RawBuilder<unknown>[] => [
  ...(email && 'is' in email ? [sql`u.email = ${email.is}`] : []),
  ...(email && 'beginsWith' in email
    ? [sql`u.email ~>=~ ${email.beginsWith} AND u.email ~<~ ${email.beginsWith + LAST}`]
    : []),
  ...(role === undefined ? [] : [sql`u.id IN (SELECT user_id FROM user_roles WHERE role = ${role})`]),
  ...(isActive === undefined ? [] : [isActive ? sql`u.is_active` : sql`NOT u.is_active`]),
]
