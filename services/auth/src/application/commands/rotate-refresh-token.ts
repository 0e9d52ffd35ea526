import { type Clock, err, ok, type Result, unreachable } from '@ashlar/kernel'
import { refreshReused, sessionRevoked } from '../../contract.ts'
import { judge, slide } from '../../domain/refresh-token.ts'
import type {
  AccessTokens,
  AuthTx,
  Lifetimes,
  LockedRefreshToken,
  OneTimeTokens,
  SessionGrant,
  TokenPair,
  Work,
} from '../ports.ts'

type Deps = {
  unitOfWork: Work
  tokens: OneTimeTokens
  accessTokens: AccessTokens
  lifetimes: Lifetimes
  clock: Clock
}

type Rotated = { grant: SessionGrant; refreshToken: string; refreshExpiresAt: Date }

/**
 * Exchanges a refresh token for a new pair. The same token presented again within the grace gets the same successor.
 * Refuses with `refresh_token_invalid` or `refresh_token_reused`; the latter ends the session.
 */
export const rotateRefreshToken =
  (deps: Deps) =>
  async (input: {
    refreshToken: string
    ip: string | null
  }): Promise<Result<TokenPair, 'refresh_token_invalid' | 'refresh_token_reused'>> => {
    const { unitOfWork, tokens, accessTokens, lifetimes, clock } = deps
    const now = clock.now()
    const rotated = await unitOfWork(async (tx) => {
      const current = await tx.refreshTokens.lock(tokens.hash(input.refreshToken))
      if (!current) return err('refresh_token_invalid')

      const verdict = judge(current, now, lifetimes.refreshGraceMs)
      switch (verdict) {
        case 'expired':
          return err('refresh_token_invalid')
        case 'reused':
          // Returned, not thrown: the chain must stay ended although the caller is refused.
          await endChain(tx, current, input.ip, now)
          return err('refresh_token_reused')
        case 'replay':
          return replaySuccessor(deps, current, input.refreshToken)
        case 'rotate':
          return ok(await issueSuccessor(deps, tx, current, input.refreshToken, now))
        default:
          return unreachable(verdict)
      }
    })
    if (!rotated.ok) return rotated
    const { grant, refreshToken, refreshExpiresAt } = rotated.value
    const accessToken = await accessTokens.issue(grant, now)
    return ok({ accessToken, refreshToken, refreshExpiresAt, issuedAt: now, sessionId: grant.sessionId })
  }

const issueSuccessor = async (
  { tokens, lifetimes }: Deps,
  tx: AuthTx,
  current: LockedRefreshToken,
  presented: string,
  now: Date,
): Promise<Rotated> => {
  const successor = tokens.make()
  const refreshExpiresAt = slide(now, lifetimes.refreshSlidingMs, current.absoluteExpiresAt)
  const sealed = tokens.sealSuccessor(presented, successor)
  await tx.refreshTokens.rotate(current, { hash: successor.hash, createdAt: now, expiresAt: refreshExpiresAt, sealed })
  return { grant: current.grant, refreshToken: successor.token, refreshExpiresAt }
}

const replaySuccessor = (
  { tokens }: Deps,
  { grant, successorSealed, successorExpiresAt }: LockedRefreshToken,
  presented: string,
): Result<Rotated, 'refresh_token_invalid'> => {
  if (!successorSealed || !successorExpiresAt) return err('refresh_token_invalid')
  const refreshToken = tokens.openSuccessor(presented, successorSealed)
  return ok({ grant, refreshToken, refreshExpiresAt: successorExpiresAt })
}

/** Tells of it once: a thief who repeats himself must not flood his victim's mailbox. */
const endChain = async (tx: AuthTx, { grant }: LockedRefreshToken, ip: string | null, now: Date): Promise<void> => {
  const { sessionId, userId } = grant
  const ended = await tx.sessions.end({ userId, id: sessionId }, 'refresh_reused', now)
  if (ended.length === 0) return
  const about = { userId, sessionId, timestamp: now.toISOString() }
  await tx.outbox.append(
    refreshReused.of({ subject: sessionId, data: { ...about, ipAddress: ip } }),
    sessionRevoked.of({ subject: sessionId, data: { ...about, reason: 'refresh_reused' } }),
  )
}
