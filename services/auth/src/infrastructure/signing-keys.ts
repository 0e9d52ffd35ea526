import type { Clock } from '@ashlar/kernel'
import type { Keyring } from '@ashlar/platform/keys'
import type { UnitOfWork } from '@ashlar/platform/postgres'
import type { Names } from '@ashlar/platform/runtime'
import { ACCESS_TOKEN_ALGORITHM } from '@ashlar/platform/tokens'
import {
  type CryptoKey,
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JSONWebKeySet,
  type JWK,
} from 'jose'
import { type Kysely, sql } from 'kysely'
import type { AuthTables } from './postgres/tables.ts'

/** The keys that access tokens are signed with. */
export type SigningKeys = {
  /** Reads the keys again; another process may have added one. */
  reload(): Promise<void>
  /** The newest key that is in force at `now`. */
  current(now: Date): { kid: string; privateKey: CryptoKey }
  /** Every key that a verifier may meet, those that will sign soon included. */
  jwks(now: Date): JSONWebKeySet
}

type Options = {
  db: Kysely<AuthTables>
  unitOfWork: UnitOfWork<{ db: Kysely<AuthTables> }>
  keys: Keyring
  names: Names
  clock: Clock
}

type SigningKey = { kid: string; publicJwk: JWK; privateKey: CryptoKey; notBefore: Date; expiresAt: Date | null }

const PURPOSE = 'signing-key'
const boundTo = (kid: string) => ({ table: 'signing_keys', column: 'private_sealed', row: kid })

/** Loads the signing keys; the first start of all makes the first one. */
export const openSigningKeys = async (options: Options): Promise<SigningKeys> => {
  const { db, keys: keyring } = options

  const read = async (): Promise<SigningKey[]> => {
    const rows = await db.selectFrom('signing_keys').selectAll().orderBy('not_before', 'desc').orderBy('kid').execute()
    return Promise.all(
      rows.map(async (row) => {
        const privateJwk = JSON.parse(
          keyring.open(PURPOSE, row.private_sealed, boundTo(row.kid)).toString('utf8'),
        ) as JWK
        return {
          kid: row.kid,
          publicJwk: row.public_jwk as JWK,
          privateKey: (await importJWK(privateJwk, ACCESS_TOKEN_ALGORITHM)) as CryptoKey,
          notBefore: row.not_before,
          expiresAt: row.expires_at,
        }
      }),
    )
  }

  let loaded = await read()
  if (loaded.length === 0) {
    await makeFirstKey(options)
    loaded = await read()
  }

  return {
    reload: async () => {
      loaded = await read()
    },
    current: (now) => {
      const key = loaded.find((key) => key.notBefore <= now && (key.expiresAt === null || key.expiresAt > now))
      if (!key) throw new Error('no signing key is in force')
      return key
    },
    jwks: (now) => ({
      keys: loaded.filter((key) => key.expiresAt === null || key.expiresAt > now).map((key) => key.publicJwk),
    }),
  }
}

/** Under a lock, so that two processes that start together agree on one key. */
const makeFirstKey = async ({ unitOfWork, keys, names, clock }: Options): Promise<void> => {
  const { publicKey, privateKey } = await generateKeyPair(ACCESS_TOKEN_ALGORITHM, { extractable: true })
  const publicPart = await exportJWK(publicKey)
  const kid = await calculateJwkThumbprint(publicPart)
  const publicJwk = { ...publicPart, kid, alg: ACCESS_TOKEN_ALGORITHM, use: 'sig' }
  const sealed = keys.seal(PURPOSE, JSON.stringify(await exportJWK(privateKey)), boundTo(kid))
  const now = clock.now()
  await unitOfWork(async ({ db }) => {
    await sql`SELECT pg_advisory_xact_lock(${names.lock('auth/first-signing-key')})`.execute(db)
    await sql`
      INSERT INTO signing_keys (kid, algorithm, public_jwk, private_sealed, not_before, created_at)
      SELECT ${kid}, ${ACCESS_TOKEN_ALGORITHM}, ${JSON.stringify(publicJwk)}::jsonb, ${sealed}, ${now}, ${now}
      WHERE NOT EXISTS (SELECT FROM signing_keys)`.execute(db)
  })
}
