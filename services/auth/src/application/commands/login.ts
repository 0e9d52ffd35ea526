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
  GuardSecret,
  HashIdentifier,
  Lifetimes,
  OneTimeTokens,
  Passwords,
  RateLimited,
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
  guardSecret: GuardSecret
  asUser: AsUser
  lifetimes: Lifetimes
  clock: Clock
  newId: NewId
}

export type Credentials = { email: EmailAddress; password: string; ip: string | null; userAgent: string | null }
export type LoginRefusal = 'credentials_invalid' | 'email_unverified' | 'account_deactivated'
type Opened = TokenPair & { user: Account }

/**
 * Opens a session for the right password. An unknown address, a wrong password and a missing one cost the same
 * hashes and the same transaction; what is special about an account is told only after its right password. Refuses
 * with `rate_limited` after too many wrong ones, before any hash.
 */
export const login =
  (deps: Deps) =>
  async (input: Credentials): Promise<Result<Opened, LoginRefusal | 'overloaded' | RateLimited>> => {
    const admitted = deps.passwords.admit()
    return admitted.ok ? deps.guardSecret(input, () => signIn(deps, input)) : admitted
  }

const signIn = async (
  deps: Deps,
  input: Credentials,
  isSecondTry = false,
): Promise<Result<Opened, LoginRefusal | 'overloaded'>> => {
  const { unitOfWork, accounts, passwords, accessTokens, asUser, clock } = deps
  const known = await accounts.forLogin(input.email)
  const passwordHash = known?.passwordHash
  const matches = await passwords.verify(passwordHash, input.password)
  if (!matches.ok) return matches

  const now = clock.now()
  if (!known || passwordHash === undefined || !matches.value) {
    return unitOfWork((tx) => refuse(deps, tx, input, 'credentials_invalid', now))
  }
  const verdict = admit(known.user)
  if (verdict !== 'admitted') return unitOfWork((tx) => refuse(deps, tx, input, verdict, now))

  const checked = { user: known.user, passwordHash, strongerHash: await strongerHash(passwords, passwordHash, input) }
  const opened = await asUser(known.user.id, () => unitOfWork((tx) => openSession(deps, tx, input, checked, now)))
  if (!opened.ok) {
    if (opened.error !== 'hash_changed') return err(opened.error)
    if (!isSecondTry) return signIn(deps, input, true)
    return unitOfWork((tx) => refuse(deps, tx, input, 'credentials_invalid', now))
  }
  const { grant, ...session } = opened.value
  return ok({ ...session, accessToken: await accessTokens.issue(grant, now), issuedAt: now })
}

/** The password is at hand only now. A full queue is no reason to refuse: the next sign-in will do it. */
const strongerHash = async (
  passwords: Passwords,
  passwordHash: string,
  { password }: Credentials,
): Promise<string | undefined> => {
  if (!passwords.isWeak(passwordHash)) return undefined
  const hashed = await passwords.hash(password)
  return hashed.ok ? hashed.value : undefined
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

/** What the password was checked against, and what its hash is to be replaced by. */
type Checked = { user: User; passwordHash: string; strongerHash: string | undefined }

const openSession = async (
  deps: Deps,
  tx: AuthTx,
  input: Credentials,
  { user: { id: userId }, passwordHash, strongerHash }: Checked,
  now: Date,
): Promise<
  Result<Omit<Opened, 'accessToken' | 'issuedAt'> & { grant: SessionGrant }, LoginRefusal | 'hash_changed'>
> => {
  const { tokens, lifetimes, newId } = deps
  // The hash may not be the one any more that was checked: a reset password must not open a session, while another
  // sign-in may only have made a stronger hash of the same.
  const locked = await tx.users.lockWithPassword(userId)
  if (locked?.passwordHash !== passwordHash) return err('hash_changed')
  const { user } = locked
  const { roles, permissions, rolesVersion } = user
  const verdict = admit(user)
  if (verdict !== 'admitted') return refuse(deps, tx, input, verdict, now)
  if (strongerHash !== undefined) await tx.credentials.rehash(userId, strongerHash)

  const sessionId = newId() as SessionId
  const refreshToken = tokens.make()
  const absoluteExpiresAt = new Date(now.getTime() + lifetimes.refreshAbsoluteMs)
  const refreshExpiresAt = slide(now, lifetimes.refreshSlidingMs, absoluteExpiresAt)
  const session = { userId, amr: ['pwd'], authTime: now }
  const origin = { ipAddress: input.ip, userAgent: input.userAgent }
  await tx.sessions.open(
    { id: sessionId, ...session, ...origin, absoluteExpiresAt },
    { hash: refreshToken.hash, createdAt: now, expiresAt: refreshExpiresAt },
  )
  const data = { userId, email: user.email, sessionId, timestamp: now.toISOString(), ...origin }
  await tx.outbox.append(userLogin.of({ subject: sessionId, data }))
  return ok({
    grant: { sessionId, ...session, email: user.email, rightsVersion: 1, roles, permissions, rolesVersion },
    sessionId,
    refreshToken: refreshToken.token,
    refreshExpiresAt,
    user,
  })
}
