import type { Statements } from '@ashlar/platform/postgres'
import { type Kysely, type RawBuilder, sql } from 'kysely'
import type { AuthTx } from '../../application/ports.ts'
import type { Rights, UserId } from '../../domain/account.ts'
import { type AuthTables, toUser, type UserRow } from './tables.ts'

/** The rights of the user whose id is `user`: roles and all that they permit, each once and sorted. */
export const rightsOf = (user: RawBuilder<unknown>): RawBuilder<Rights> => sql<Rights>`
  ARRAY(SELECT role FROM user_roles WHERE user_id = ${user} ORDER BY role) AS roles,
  ARRAY(SELECT DISTINCT p.permission FROM user_roles r JOIN role_permissions p ON p.role = r.role
        WHERE r.user_id = ${user} ORDER BY p.permission) AS permissions,
  (SELECT coalesce(max(o.rights_version), 0)::double precision FROM user_roles r JOIN roles o ON o.name = r.role
   WHERE r.user_id = ${user}) AS "rolesVersion"`

export const readRights = async (db: Kysely<AuthTables>, id: UserId): Promise<Rights> => {
  const { rows } = await sql<Rights>`SELECT ${rightsOf(sql`${id}::uuid`)}`.execute(db)
  return rows[0] ?? { roles: [], permissions: [], rolesVersion: 0 }
}

export const createUsers = (db: Kysely<AuthTables>, statements: Statements): AuthTx['users'] => ({
  add: async ({ id, email, firstName, lastName, createdAt }) => {
    // One statement for both, so that a known address costs the same round trips as an unknown one.
    const { numAffectedRows } = await sql`
      WITH added AS (
        INSERT INTO users (id, email, first_name, last_name, created_at, updated_at)
        VALUES (${id}, ${email}, ${firstName}, ${lastName}, ${createdAt}, ${createdAt})
        ON CONFLICT (email) DO NOTHING RETURNING id)
      INSERT INTO user_roles (user_id, role) SELECT id, 'user' FROM added`.execute(db)
    return numAffectedRows === 1n
  },

  lock: async (by) => {
    const row = await db
      .selectFrom('users')
      .selectAll()
      .where((where) => ('id' in by ? where('id', '=', by.id) : where('email', '=', by.email)))
      .forNoKeyUpdate()
      .executeTakeFirst()
    return row && toUser(row)
  },

  lockAll: async (ids) => {
    const { rows } = await sql<UserRow>`
      SELECT * FROM users WHERE id = ANY (${ids}::uuid[]) ORDER BY id FOR NO KEY UPDATE`.execute(db)
    return rows.map(toUser)
  },

  lockWithPassword: async (id) => {
    // The lock is a statement of its own, though sent together with the next: only what starts after the lock was
    // given sees what its last holder wrote.
    statements.later('SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE', [id])
    const read = sql`
      SELECT u.*, c.password_hash, ${rightsOf(sql.ref('u.id'))}
      FROM users u JOIN credentials c ON c.user_id = u.id WHERE u.id = ${id}`.compile(db)
    const [row] = await statements.ask<UserRow & Rights & { password_hash: string }>(read.sql, read.parameters)
    if (!row) return undefined
    const { roles, permissions, rolesVersion } = row
    return { user: { ...toUser(row), roles, permissions, rolesVersion }, passwordHash: row.password_hash }
  },

  rights: (id) => readRights(db, id),

  update: async ({ id, firstName, lastName, isActive, emailVerifiedAt, updatedAt, version }) => {
    await db
      .updateTable('users')
      .set({
        first_name: firstName,
        last_name: lastName,
        is_active: isActive,
        email_verified_at: emailVerifiedAt,
        updated_at: updatedAt,
        version,
      })
      .where('id', '=', id)
      .execute()
  },

  grant: async (id, role) => {
    const { numInsertedOrUpdatedRows } = await db
      .insertInto('user_roles')
      .values({ user_id: id, role })
      .onConflict((conflict) => conflict.doNothing())
      .executeTakeFirstOrThrow()
    return numInsertedOrUpdatedRows === 1n
  },

  setRoles: async (id, roles) => {
    await sql`
      WITH taken AS (
        DELETE FROM user_roles WHERE user_id = ${id} AND role <> ALL (${roles}::text[]))
      INSERT INTO user_roles (user_id, role) SELECT ${id}, unnest(${roles}::text[]) ON CONFLICT DO NOTHING`.execute(db)
  },

  remove: async (id) => {
    // Sessions in the order of ids, as whoever ends several does. Their refresh tokens go with them.
    await sql`SELECT FROM sessions WHERE user_id = ${id} ORDER BY id FOR UPDATE`.execute(db)
    for (const table of ['sessions', 'reset_tokens', 'registrations', 'credentials', 'user_roles']) {
      await sql`DELETE FROM ${sql.table(table)} WHERE user_id = ${id}`.execute(db)
    }
    await sql`DELETE FROM users WHERE id = ${id}`.execute(db)
  },
})
