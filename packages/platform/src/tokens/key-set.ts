import { type CryptoKey, importJWK, type JSONWebKeySet, type JWK } from 'jose'
import { ACCESS_TOKEN_ALGORITHM } from './claims.ts'

/** The public keys that the issuer has published, by `kid`. A token never brings a key of its own. */
export type KeySet = { find(kid: string): Promise<CryptoKey | undefined> }

export type KeySetOptions = {
  jwks: () => Promise<JSONWebKeySet>
  /** An unknown `kid` asks the issuer again at most this often: made-up ones must not become a flood. */
  refetchAfterMs?: number
  /** A key that is no longer published is forgotten after this time. */
  maxAgeMs?: number
}

const isUsable = (jwk: JWK): jwk is JWK & { kid: string } =>
  typeof jwk.kid === 'string' &&
  jwk.kty === 'EC' &&
  jwk.crv === 'P-256' &&
  (jwk.alg === undefined || jwk.alg === ACCESS_TOKEN_ALGORITHM) &&
  (jwk.use === undefined || jwk.use === 'sig')

type Imported = { x: string | undefined; y: string | undefined; key: CryptoKey }

/** Keys that are known already are taken over: asking the issuer again costs no cryptography. */
const importAll = async (
  { keys }: JSONWebKeySet,
  known: ReadonlyMap<string, Imported>,
): Promise<Map<string, Imported>> => {
  const imported = keys.filter(isUsable).map(async ({ kid, kty, crv, x, y }): Promise<[string, Imported]> => {
    const same = known.get(kid)
    if (same && same.x === x && same.y === y) return [kid, same]
    // An EC key is imported as a CryptoKey; only symmetric ones come back as bytes.
    return [kid, { x, y, key: (await importJWK({ kty, crv, x, y }, ACCESS_TOKEN_ALGORITHM)) as CryptoKey }]
  })
  return new Map(await Promise.all(imported))
}

export const createKeySet = ({ jwks, refetchAfterMs = 1_000, maxAgeMs = 60_000 }: KeySetOptions): KeySet => {
  let keys = new Map<string, Imported>()
  let fetchedAt = Number.NEGATIVE_INFINITY
  let pending: Promise<void> | undefined

  const fetch = (): Promise<void> => {
    pending ??= (async () => {
      try {
        keys = await importAll(await jwks(), keys)
      } finally {
        // A failed attempt counts too: an issuer that is down is not asked by every request.
        fetchedAt = performance.now()
        pending = undefined
      }
    })()
    return pending
  }

  return {
    find: async (kid) => {
      const known = keys.get(kid)?.key
      const ageMs = performance.now() - fetchedAt
      if (known && ageMs <= maxAgeMs) return known
      if (!known && ageMs <= refetchAfterMs && !pending) return undefined
      try {
        await fetch()
      } catch (error) {
        // Keys that are already known stay good while the issuer cannot be asked.
        if (!known) throw error
        return known
      }
      return keys.get(kid)?.key
    },
  }
}
