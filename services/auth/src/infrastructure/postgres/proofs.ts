import type { NewId } from '@ashlar/kernel'
import { type Kysely, sql } from 'kysely'
import type { AuthTx, Claim, RenewedClaim } from '../../application/ports.ts'
import type { UserId } from '../../domain/account.ts'
import type { AuthTables } from './tables.ts'

// Each kind is paid for by every failed sign-in.
const MOST_KINDS = 12

/** What proves a person: passwords, and the links that were mailed or printed. */
export const createProofs = (
  db: Kysely<AuthTables>,
  newId: NewId,
): Pick<AuthTx, 'credentials' | 'registrations' | 'resetTokens'> => ({
  credentials: {
    get: async (userId) => {
      const row = await db
        .selectFrom('credentials')
        .select('password_hash')
        .where('user_id', '=', userId)
        .executeTakeFirst()
      return row?.password_hash
    },
    set: async (userId, passwordHash, at) => {
      const changed = { password_hash: passwordHash, changed_at: at }
      await db
        .insertInto('credentials')
        .values({ user_id: userId, ...changed })
        .onConflict((conflict) => conflict.column('user_id').doUpdateSet(changed))
        .execute()
    },
    rehash: async (userId, passwordHash) => {
      await db.updateTable('credentials').set({ password_hash: passwordHash }).where('user_id', '=', userId).execute()
    },
    addKind: async (prefix, at) => {
      // The row is written even where it is there: whoever sweeps kinds away then sees that it is wanted.
      const { numAffectedRows } = await sql`
        INSERT INTO password_hash_kinds (prefix, added_at) SELECT ${prefix}::text, ${at}::timestamptz
        WHERE (SELECT count(*) FROM password_hash_kinds WHERE prefix <> ${prefix}) < ${MOST_KINDS}::int
        ON CONFLICT (prefix) DO UPDATE SET added_at = excluded.added_at`.execute(db)
      return numAffectedRows === 1n
    },
  },

  registrations: {
    add: async ({ userId, linkHash, passwordHash, firstName, lastName, createdAt, expiresAt }) => {
      await sql`
        INSERT INTO registrations
          (id, user_id, link_hash, password_hash, first_name, last_name, created_at, expires_at)
        SELECT ${newId()}::uuid, id, ${linkHash}::bytea, ${passwordHash}::text, ${firstName}::text, ${lastName}::text,
          ${createdAt}::timestamptz, ${expiresAt}::timestamptz
        FROM users WHERE id = ${userId} AND email_verified_at IS NULL`.execute(db)
    },
    renew: async (email, { linkHash, createdAt, expiresAt }) => {
      const { rows } = await sql<RenewedClaim>`
        WITH pending AS (
          SELECT id FROM users WHERE email = ${email} AND email_verified_at IS NULL FOR NO KEY UPDATE)
        INSERT INTO registrations
          (id, user_id, link_hash, password_hash, first_name, last_name, created_at, expires_at)
        SELECT ${newId()}::uuid, user_id, ${linkHash}::bytea, password_hash, first_name, last_name,
          ${createdAt}::timestamptz, ${expiresAt}::timestamptz
        FROM registrations WHERE user_id = (SELECT id FROM pending) ORDER BY created_at DESC, id DESC LIMIT 1
        RETURNING user_id AS "userId", first_name AS "firstName"`.execute(db)
      return rows[0]
    },
    ownerOf: async (linkHash) => {
      const row = await db
        .selectFrom('registrations')
        .select('user_id')
        .where('link_hash', '=', linkHash)
        .executeTakeFirst()
      return row?.user_id
    },
    consume: async (userId, linkHash, now) => {
      const { rows } = await sql<ClaimRow & { used: boolean }>`
        DELETE FROM registrations
        WHERE user_id = ${userId} AND EXISTS (
          SELECT FROM registrations WHERE user_id = ${userId} AND link_hash = ${linkHash} AND expires_at > ${now})
        RETURNING link_hash = ${linkHash} AS used, password_hash, first_name, last_name`.execute(db)
      const used = rows.find((row) => row.used)
      return used && toClaim(used)
    },
    drop: async (userId: UserId) => {
      await db.deleteFrom('registrations').where('user_id', '=', userId).execute()
    },
  },

  resetTokens: {
    add: async ({ hash, userId, createdAt, expiresAt }) => {
      await db
        .insertInto('reset_tokens')
        .values({ token_hash: hash, user_id: userId, created_at: createdAt, expires_at: expiresAt })
        .execute()
    },
    drop: async (userId) => {
      await db.deleteFrom('reset_tokens').where('user_id', '=', userId).execute()
    },
    consume: async (userId, hash, now) => {
      const { rows } = await sql<{ used: boolean }>`
        DELETE FROM reset_tokens
        WHERE user_id = ${userId} AND EXISTS (
          SELECT FROM reset_tokens WHERE user_id = ${userId} AND token_hash = ${hash} AND expires_at > ${now})
        RETURNING token_hash = ${hash} AS used`.execute(db)
      return rows.some((row) => row.used)
    },
  },
})

type ClaimRow = { password_hash: string; first_name: string | null; last_name: string | null }

const toClaim = (row: ClaimRow): Claim => ({
  passwordHash: row.password_hash,
  firstName: row.first_name,
  lastName: row.last_name,
})
