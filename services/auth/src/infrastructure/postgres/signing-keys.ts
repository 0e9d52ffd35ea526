import type { Names } from '@ashlar/platform/runtime'
import { ACCESS_TOKEN_ALGORITHM } from '@ashlar/platform/tokens'
import { type Kysely, sql } from 'kysely'
import type { AuthTx } from '../../application/ports.ts'
import type { KeyTimes } from '../../domain/signing-key.ts'
import type { AuthTables } from './tables.ts'

export const createSigningKeyRows = (db: Kysely<AuthTables>, names: Names): AuthTx['signingKeys'] => ({
  lockNewest: async () => {
    await sql`SELECT pg_advisory_xact_lock(${names.lock('auth/signing-keys')})`.execute(db)
    const { rows } = await sql<KeyTimes>`
      SELECT kid, not_before AS "notBefore", created_at AS "createdAt" FROM signing_keys
      ORDER BY not_before DESC LIMIT 1`.execute(db)
    return rows[0]
  },

  add: async ({ kid, publicJwk, privateSealed, notBefore, createdAt }) => {
    await sql`
      INSERT INTO signing_keys (kid, algorithm, public_jwk, private_sealed, not_before, created_at)
      VALUES (${kid}, ${ACCESS_TOKEN_ALGORITHM}, ${JSON.stringify(publicJwk)}::jsonb, ${privateSealed}, ${notBefore},
        ${createdAt})`.execute(db)
  },

  expire: async (kid, at) => {
    await sql`UPDATE signing_keys SET expires_at = ${at} WHERE kid = ${kid}`.execute(db)
  },
})
