import { type Kysely, sql } from 'kysely'
import type { AuthTx } from '../../application/ports.ts'
import type { Rights, UserId } from '../../domain/account.ts'
import { type AuthTables, toUser } from './tables.ts'

/** Roles of a user and all that they permit, each once and sorted. */
export const readRights = async (db: Kysely<AuthTables>, id: UserId): Promise<Rights> => {
  const { rows } = await sql<Rights>`
    SELECT ARRAY(SELECT role FROM user_roles WHERE user_id = ${id} ORDER BY role) AS roles,
      ARRAY(SELECT DISTINCT p.permission FROM user_roles r JOIN role_permissions p ON p.role = r.role
            WHERE r.user_id = ${id} ORDER BY p.permission) AS permissions`.execute(db)
  return rows[0] ?? { roles: [], permissions: [] }
}

export const createUsers = (db: Kysely<AuthTables>): AuthTx['users'] => ({
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
})
