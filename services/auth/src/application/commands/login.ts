import { type Clock, err, type NewId, ok, type Result } from '@ashlar/kernel'
import { userLogin, userLoginFailed } from '../../contract.ts'
import { type Account, admit, type SessionId, type User } from '../../domain/account.ts'
import type { EmailAddress } from '../../domain/email.ts'
import { slide } from '../../domain/refresh-token.ts'
import type {
  AccessTokens,
  AccountReads,
  AsUser,
  AuthTx,
  HashIdentifier,
  Lifetimes,
  OneTimeTokens,
  Passwords,
  SessionGrant,
  TokenPair,
  Work,
} from '../ports.ts'

type Deps = {
  unitOfWork: Work
  accounts: Pick<AccountReads, 'forLogin'>
  passwords: Passwords
  tokens: OneTimeTokens
  accessTokens: AccessTokens
  hashIdentifier: HashIdentifier
  asUser: AsUser
  lifetimes: Lifetimes
  clock: Clock
  newId: NewId
}

export type Credentials = { email: EmailAddress; password: string; ip: string | null; userAgent: string | null }
export type LoginRefusal = 'credentials_invalid' | 'email_unverified' | 'account_deactivated'

/**
 * Opens a session for the right password. An unknown address, a wrong password and a missing one cost the same
 * hash and the same transaction; what is special about an account is told only after its right password.
 */
export const login =
  (deps: Deps) =>
  async (input: Credentials): Promise<Result<TokenPair & { user: Account }, LoginRefusal | 'overloaded'>> => {
    const { unitOfWork, accounts, passwords, accessTokens, asUser, clock } = deps
    const known = await accounts.forLogin(input.email)
    const matches = await passwords.verify(known?.passwordHash, input.password)
    if (!matches.ok) return matches

    const now = clock.now()
    if (!known || !matches.value) return unitOfWork((tx) => refuse(deps, tx, input, 'credentials_invalid', now))
    const verdict = admit(known.user)
    if (verdict !== 'admitted') return unitOfWork((tx) => refuse(deps, tx, input, verdict, now))

    const opened = await asUser(known.user.id, () => unitOfWork((tx) => openSession(deps, tx, input, known, now)))
    if (!opened.ok) return opened
    const { grant, refreshToken, refreshExpiresAt, user } = opened.value
    const accessToken = await accessTokens.issue(grant, now)
    return ok({ accessToken, refreshToken, refreshExpiresAt, issuedAt: now, sessionId: grant.sessionId, user })
  }

/** Returned, so that the event of the refusal commits. */
const refuse = async (
  { hashIdentifier }: Deps,
  tx: AuthTx,
  { email, ip }: Credentials,
  reason: LoginRefusal,
  now: Date,
): Promise<Result<never, LoginRefusal>> => {
  const identifierHash = hashIdentifier(email)
  const data = { identifierHash, reason, timestamp: now.toISOString(), ipAddress: ip }
  await tx.outbox.append(userLoginFailed.of({ subject: identifierHash, data }))
  return err(reason)
}

type Opened = { grant: SessionGrant; refreshToken: string; refreshExpiresAt: Date; user: Account }

const openSession = async (
  deps: Deps,
  tx: AuthTx,
  input: Credentials,
  known: { user: User; passwordHash: string | undefined },
  now: Date,
): Promise<Result<Opened, LoginRefusal>> => {
  const { tokens, lifetimes, newId } = deps
  // What the hash was checked against may have changed meanwhile: a reset password must not open a session any more.
  const user = await tx.users.lock({ id: known.user.id })
  if (!user || (await tx.credentials.get(user.id)) !== known.passwordHash) {
    return refuse(deps, tx, input, 'credentials_invalid', now)
  }
  const verdict = admit(user)
  if (verdict !== 'admitted') return refuse(deps, tx, input, verdict, now)

  const rights = await tx.users.rights(user.id)
  const sessionId = newId() as SessionId
  const refreshToken = tokens.make()
  const absoluteExpiresAt = new Date(now.getTime() + lifetimes.refreshAbsoluteMs)
  const refreshExpiresAt = slide(now, lifetimes.refreshSlidingMs, absoluteExpiresAt)
  const session = { userId: user.id, amr: ['pwd'], authTime: now }
  const origin = { ipAddress: input.ip, userAgent: input.userAgent }
  await tx.sessions.open(
    { id: sessionId, ...session, ...origin, absoluteExpiresAt },
    { hash: refreshToken.hash, createdAt: now, expiresAt: refreshExpiresAt },
  )
  const data = { userId: user.id, email: user.email, sessionId, timestamp: now.toISOString(), ...origin }
  await tx.outbox.append(userLogin.of({ subject: sessionId, data }))
  return ok({
    grant: { sessionId, ...session, email: user.email, rightsVersion: 1, ...rights },
    refreshToken: refreshToken.token,
    refreshExpiresAt,
    user: { ...user, ...rights },
  })
}
