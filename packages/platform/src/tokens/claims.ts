import { z } from 'zod'
import type { Caller } from '../http/index.ts'

/** Media type in the header of an access token (RFC 9068, section 2.1): no other kind of token passes as one. */
export const ACCESS_TOKEN_TYPE = 'at+jwt'
/** The one algorithm that is signed with and accepted. */
export const ACCESS_TOKEN_ALGORITHM = 'ES256'
/** How far the clocks of two machines may be apart, in seconds. */
export const CLOCK_SKEW_SECONDS = 5

/** The payload of an access token. Times are Unix seconds. `rv` is the version of the session's rights at issue, `rr` the newest
 * change of one of its roles. */
export const accessTokenClaims = z.looseObject({
  sub: z.string().min(1),
  sid: z.string().min(1),
  jti: z.string().min(1),
  iat: z.number(),
  exp: z.number(),
  roles: z.array(z.string()),
  permissions: z.array(z.string()),
  email: z.string(),
  amr: z.array(z.string()),
  auth_time: z.number(),
  rv: z.int().min(1),
  rr: z.int().min(0).default(0),
})

export type AccessTokenClaims = z.output<typeof accessTokenClaims>

export const callerOf = (claims: AccessTokenClaims): Caller => ({
  userId: claims.sub,
  sessionId: claims.sid,
  email: claims.email,
  roles: claims.roles,
  permissions: claims.permissions,
  authTime: claims.auth_time,
  amr: claims.amr,
  claims,
})
