import type { Clock } from '@ashlar/kernel'
import type { Keyring } from '@ashlar/platform/keys'
import type { UnitOfWork } from '@ashlar/platform/postgres'
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
import type { Kysely } from 'kysely'
import type { MakeSigningKey } from '../application/ports.ts'
import { hasRetired } from '../domain/signing-key.ts'
import type { AuthTables } from './postgres/tables.ts'

/** The keys that access tokens are signed with. */
export type SigningKeys = {
  /** Reads the keys again: another process may have added one. Costs one small query while nothing has changed. */
  reload(): Promise<void>
  /** The youngest key that is in force at `now`. */
  current(now: Date): { kid: string; privateKey: CryptoKey }
  /** When the youngest key was made; undefined while there is none. */
  newestMadeAt(): Date | undefined
  /** Every key that a verifier may meet, those that will sign soon included. */
  jwks(now: Date): JSONWebKeySet
  /** Forgets the private parts of keys that sign no more, and keys whose last token is over. */
  tidy(): Promise<void>
}

type Options = {
  db: Kysely<AuthTables>
  unitOfWork: UnitOfWork<{ db: Kysely<AuthTables> }>
  keys: Keyring
  clock: Clock
}

type SigningKey = {
  kid: string
  publicJwk: JWK
  /** Undefined once it was forgotten. */
  privateKey: CryptoKey | undefined
  sealed: Buffer
  notBefore: Date
  expiresAt: Date | null
  createdAt: Date
}

const PURPOSE = 'signing-key'
const boundTo = (kid: string) => ({ table: 'signing_keys', column: 'private_sealed', row: kid })

/** Makes key pairs; the private part leaves only under the master key. */
export const createSigningKeyMaker =
  (keyring: Keyring): MakeSigningKey =>
  async () => {
    const { publicKey, privateKey } = await generateKeyPair(ACCESS_TOKEN_ALGORITHM, { extractable: true })
    const publicPart = await exportJWK(publicKey)
    const kid = await calculateJwkThumbprint(publicPart)
    const publicJwk = { ...publicPart, kid, alg: ACCESS_TOKEN_ALGORITHM, use: 'sig' }
    return {
      kid,
      publicJwk,
      privateSealed: keyring.seal(PURPOSE, JSON.stringify(await exportJWK(privateKey)), boundTo(kid)),
    }
  }

/** Loads the signing keys, if there are any yet. */
export const openSigningKeys = async ({ db, unitOfWork, keys: keyring, clock }: Options): Promise<SigningKeys> => {
  // Youngest first. Replaced as a whole, so that a reader never sees half of a change.
  let loaded: SigningKey[] = []

  const openPrivate = async (kid: string, sealed: Buffer): Promise<CryptoKey | undefined> => {
    const jwk = JSON.parse(keyring.open(PURPOSE, sealed, boundTo(kid)).toString('utf8')) as JWK
    return jwk.d === undefined ? undefined : ((await importJWK(jwk, ACCESS_TOKEN_ALGORITHM)) as CryptoKey)
  }

  const read = async (): Promise<SigningKey[]> => {
    const rows = await db.selectFrom('signing_keys').selectAll().orderBy('not_before', 'desc').execute()
    return Promise.all(
      rows.map(async (row): Promise<SigningKey> => {
        const known = loaded.find(({ kid, sealed }) => kid === row.kid && sealed.equals(row.private_sealed))
        return {
          kid: row.kid,
          publicJwk: row.public_jwk as JWK,
          privateKey: known ? known.privateKey : await openPrivate(row.kid, row.private_sealed),
          sealed: row.private_sealed,
          notBefore: row.not_before,
          expiresAt: row.expires_at,
          createdAt: row.created_at,
        }
      }),
    )
  }
  // One after the other: an answer from before a rotation must not replace one from after it.
  let reading: Promise<void> = Promise.resolve()
  const reload = (): Promise<void> => {
    reading = reading
      .catch(() => undefined)
      .then(async () => {
        loaded = await read()
      })
    return reading
  }
  await reload()

  return {
    reload,
    current: (now) => {
      const able = loaded.filter((key) => key.privateKey !== undefined)
      // A clock that was set back before the first key signs with that one.
      const key = able.find(({ notBefore }) => notBefore <= now) ?? able.at(-1)
      if (!key?.privateKey) throw new Error('there is no signing key')
      return { kid: key.kid, privateKey: key.privateKey }
    },
    newestMadeAt: () => loaded[0]?.createdAt,
    jwks: (now) => ({
      keys: loaded.filter(({ expiresAt }) => expiresAt === null || expiresAt > now).map(({ publicJwk }) => publicJwk),
    }),
    tidy: async () => {
      const now = clock.now()
      const over = loaded.filter(({ expiresAt }) => expiresAt !== null && expiresAt <= now)
      const retired = loaded.filter(({ privateKey }, at) => {
        const successor = loaded[at - 1]
        return privateKey !== undefined && successor !== undefined && hasRetired(successor.notBefore, now)
      })
      if (over.length + retired.length === 0) return
      await unitOfWork(async ({ db: tx }) => {
        for (const { kid, publicJwk } of retired) {
          // What opens is the public half, which a process of an earlier release can read as well.
          const emptied = keyring.seal(PURPOSE, JSON.stringify(publicJwk), boundTo(kid))
          await tx.updateTable('signing_keys').set({ private_sealed: emptied }).where('kid', '=', kid).execute()
        }
        for (const { kid } of over) await tx.deleteFrom('signing_keys').where('kid', '=', kid).execute()
      })
      await reload()
    },
  }
}
