import { type Clock, err, ok, type Result } from '@ashlar/kernel'
import { decodeProtectedHeader, errors, type JSONWebKeySet, jwtVerify } from 'jose'
import { LRUCache } from 'lru-cache'
import type { Authenticator, Caller } from '../http/index.ts'
import {
  ACCESS_TOKEN_ALGORITHM,
  ACCESS_TOKEN_TYPE,
  type AccessTokenClaims,
  accessTokenClaims,
  CLOCK_SKEW_SECONDS,
  callerOf,
} from './claims.ts'
import { createKeySet } from './key-set.ts'
import type { RevocationSet, TokenRights } from './revocation-set.ts'

export type TokenVerifierOptions = {
  issuer: string
  audience: string
  jwks: () => Promise<JSONWebKeySet>
  revocations: Pick<RevocationSet, 'verdict' | 'refresh'>
  clock: Clock
  /** How many verified tokens are remembered. */
  cacheSize?: number
  /** How often made-up key ids may make the issuer be asked. */
  refetchAfterMs?: number
}

type Verified = { caller: Caller; rights: TokenRights; goneAtMs: number }

const MAX_TOKEN_LENGTH = 8192

/** The `kid` of a header that could belong to one of our tokens. Keys and addresses of keys in it are not looked at. */
const keyIdOf = (token: string): string | undefined => {
  try {
    const { alg, typ, kid } = decodeProtectedHeader(token)
    return alg === ACCESS_TOKEN_ALGORITHM && typ === ACCESS_TOKEN_TYPE && typeof kid === 'string' ? kid : undefined
  } catch {
    return undefined
  }
}

/**
 * Checks access tokens: ES256 and `at+jwt` only, issuer, audience, `exp` and `nbf` with 5 s of skew, key by `kid`
 * from the issuer's own set. What a verified token says is remembered under the token itself until it expires: a hash
 * of it would cost more than all the rest of a look-up, and a token that was changed in any place is another one.
 * Whether its session still stands is asked on every call, so nothing that is remembered outlives a revocation.
 * Throws when revocations cannot be known.
 */
export const createTokenVerifier = (options: TokenVerifierOptions): Authenticator => {
  const { issuer, audience, revocations, clock, cacheSize = 10_000 } = options
  const keys = createKeySet({ jwks: options.jwks, refetchAfterMs: options.refetchAfterMs })
  const verified = new LRUCache<string, Verified>({ max: cacheSize })

  const claimsOf = async (token: string, now: Date): Promise<AccessTokenClaims | undefined> => {
    const kid = keyIdOf(token)
    const key = kid === undefined ? undefined : await keys.find(kid)
    if (!key) return undefined
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: [ACCESS_TOKEN_ALGORITHM],
        typ: ACCESS_TOKEN_TYPE,
        issuer,
        audience,
        clockTolerance: CLOCK_SKEW_SECONDS,
        currentDate: now,
        requiredClaims: ['exp', 'iat', 'sub', 'sid', 'jti'],
      })
      return accessTokenClaims.safeParse(payload).data
    } catch (error) {
      if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined
      throw error
    }
  }

  const remembered = (token: string, now: Date): Verified | undefined => {
    const known = verified.get(token)
    return known && now.getTime() < known.goneAtMs ? known : undefined
  }

  const verify = async (token: string, now: Date): Promise<Verified | undefined> => {
    const claims = await claimsOf(token, now)
    if (!claims) {
      verified.delete(token)
      return undefined
    }
    const goneAtMs = (claims.exp + CLOCK_SKEW_SECONDS) * 1000
    const { sid: sessionId, rv: rightsVersion, rr: rolesVersion, roles } = claims
    const entry = { caller: callerOf(claims), rights: { sessionId, rightsVersion, roles, rolesVersion }, goneAtMs }
    verified.set(token, entry)
    return entry
  }

  const authenticate: Authenticator['authenticate'] = async (
    token,
  ): Promise<Result<Caller, 'access_token_invalid' | 'access_token_stale'>> => {
    if (token.length > MAX_TOKEN_LENGTH) return err('access_token_invalid')
    const now = clock.now()
    const entry = remembered(token, now) ?? (await verify(token, now))
    if (!entry) return err('access_token_invalid')
    await revocations.refresh()
    const verdict = revocations.verdict(entry.rights)
    if (verdict === 'revoked') return err('access_token_invalid')
    if (verdict === 'stale') return err('access_token_stale')
    return ok(entry.caller)
  }
  return { authenticate }
}
