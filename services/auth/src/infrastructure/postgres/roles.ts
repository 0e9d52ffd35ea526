import { type Kysely, sql } from 'kysely'
import type { AuthTx } from '../../application/ports.ts'
import { ADMINISTRATOR, type Role } from '../../domain/rights.ts'
import type { RevocationLog } from './revocations.ts'
import { type AuthTables, type RoleRow, toRole } from './tables.ts'

/** A role with its permissions; `roles` is named r. */
export const ROLE_COLUMNS = sql<RoleRow>`r.name, r.built_in, r.created_at, r.updated_at,
  ARRAY(SELECT permission FROM role_permissions WHERE role = r.name ORDER BY permission) AS permissions`

export const createRoles = (db: Kysely<AuthTables>, revocations: RevocationLog): AuthTx['roles'] => {
  const read = async (names: readonly string[]): Promise<Role[]> => {
    const { rows } = await sql<RoleRow>`
      SELECT ${ROLE_COLUMNS} FROM roles r WHERE r.name = ANY (${names}) ORDER BY r.name`.execute(db)
    return rows.map(toRole)
  }
  // The version is the sequence of the revocation: verifiers and tokens compare one and the same number.
  const nextVersion = async (name: string, now: Date): Promise<number> =>
    (await revocations.append([{ kind: 'role', role: name }], now))[0] ?? 0
  const permit = async (name: string, permissions: readonly string[]): Promise<void> => {
    await sql`
      WITH dropped AS (
        DELETE FROM role_permissions WHERE role = ${name} AND permission <> ALL (${permissions}::text[]))
      INSERT INTO role_permissions (role, permission) SELECT ${name}, unnest(${permissions}::text[])
      ON CONFLICT DO NOTHING`.execute(db)
  }

  return {
    lock: async (name, purpose) => {
      const strength = purpose === 'removal' ? sql`UPDATE` : sql`NO KEY UPDATE`
      await sql`SELECT FROM roles WHERE name = ${name} FOR ${strength}`.execute(db)
      // A statement of its own: only one that starts after the lock was given sees what its last holder wrote.
      return (await read([name]))[0]
    },

    hold: async (names) => {
      await sql`SELECT FROM roles WHERE name = ANY (${names}) ORDER BY name FOR KEY SHARE`.execute(db)
      return read(names)
    },

    add: async ({ name, permissions }, now) => {
      const { numAffectedRows } = await sql`
        INSERT INTO roles (name, created_at, updated_at) VALUES (${name}, ${now}, ${now})
        ON CONFLICT DO NOTHING`.execute(db)
      if (numAffectedRows !== 1n) return false
      await permit(name, permissions)
      // A role of this name may have existed: tokens that still name it must not come to life with the new one.
      await sql`UPDATE roles SET rights_version = ${await nextVersion(name, now)} WHERE name = ${name}`.execute(db)
      return true
    },

    change: async (name, permissions, now) => {
      await permit(name, permissions)
      const version = await nextVersion(name, now)
      await sql`UPDATE roles SET rights_version = ${version}, updated_at = ${now} WHERE name = ${name}`.execute(db)
    },

    remove: async (name, now) => {
      await sql`DELETE FROM user_roles WHERE role = ${name}`.execute(db)
      await sql`DELETE FROM role_permissions WHERE role = ${name}`.execute(db)
      await sql`DELETE FROM roles WHERE name = ${name}`.execute(db)
      await nextVersion(name, now)
    },

    heaviestHolder: async (name, permissions) => {
      const { rows } = await sql<{ bytes: number }>`
        SELECT coalesce(max(bytes), 0)::double precision AS bytes FROM (
          SELECT sum(length(permission) + 3) AS bytes FROM (
            SELECT h.user_id, p.permission FROM user_roles h
              JOIN user_roles o ON o.user_id = h.user_id AND o.role <> h.role
              JOIN role_permissions p ON p.role = o.role
            WHERE h.role = ${name}
            UNION SELECT user_id, unnest(${permissions}::text[]) FROM user_roles WHERE role = ${name}) AS held
          GROUP BY user_id) AS holders`.execute(db)
      return rows[0]?.bytes ?? 0
    },

    otherAdministrators: async (userId) => {
      // Whoever takes an administrator away waits here for the one before him, and then counts without that one's.
      await sql`SELECT FROM roles WHERE name = ${ADMINISTRATOR} FOR NO KEY UPDATE`.execute(db)
      const { rows } = await sql<{ count: bigint }>`
        SELECT count(*) FROM user_roles r JOIN users u ON u.id = r.user_id
        WHERE r.role = ${ADMINISTRATOR} AND u.id <> ${userId} AND u.is_active
          AND u.email_verified_at IS NOT NULL`.execute(db)
      return Number(rows[0]?.count ?? 0n)
    },
  }
}
