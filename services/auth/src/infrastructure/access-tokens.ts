import type { NewId } from '@ashlar/kernel'
import { ACCESS_TOKEN_ALGORITHM, ACCESS_TOKEN_TYPE } from '@ashlar/platform/tokens'
import { SignJWT } from 'jose'
import type { AccessTokens } from '../application/ports.ts'
import type { SigningKeys } from './signing-keys.ts'

type Options = { keys: SigningKeys; issuer: string; audience: string; lifetimeSeconds: number; newId: NewId }

const seconds = (time: Date): number => Math.floor(time.getTime() / 1000)

/** JWTs of RFC 9068's form, signed with the newest key in force. */
export const createAccessTokens = ({ keys, issuer, audience, lifetimeSeconds, newId }: Options): AccessTokens => ({
  lifetimeSeconds,
  issue: (grant, now) => {
    const { kid, privateKey } = keys.current(now)
    const { sessionId, userId, email, amr, authTime, rightsVersion, roles, permissions, rolesVersion } = grant
    return new SignJWT({
      sid: sessionId,
      roles,
      permissions,
      email,
      amr,
      auth_time: seconds(authTime),
      rv: rightsVersion,
      rr: rolesVersion,
    })
      .setProtectedHeader({ alg: ACCESS_TOKEN_ALGORITHM, typ: ACCESS_TOKEN_TYPE, kid })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject(userId)
      .setJti(newId())
      .setIssuedAt(seconds(now))
      .setExpirationTime(seconds(now) + lifetimeSeconds)
      .sign(privateKey)
  },
})
