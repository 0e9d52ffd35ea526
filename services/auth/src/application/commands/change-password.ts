import { type Clock, err, ok, type Result } from '@ashlar/kernel'
import { userPasswordChanged } from '../../contract.ts'
import type { SessionId, UserId } from '../../domain/account.ts'
import type { PasswordRefused } from '../../domain/password.ts'
import { sessionsRevoked } from '../events.ts'
import type { AccountReads, GuardSecret, Passwords, RateLimited, RefusePassword, Work } from '../ports.ts'

type Deps = {
  unitOfWork: Work
  accounts: Pick<AccountReads, 'forPasswordChange'>
  passwords: Passwords
  refusePassword: RefusePassword
  guardSecret: GuardSecret
  clock: Clock
}

export type PasswordChange = {
  userId: UserId
  sessionId: SessionId
  currentPassword: string
  newPassword: string
  ip: string | null
}
type Refusal = 'credentials_invalid' | 'overloaded' | PasswordRefused

/**
 * Sets a password in exchange for the current one. Every other session of the account ends, and every link dies that
 * could set another one. A wrong current password counts like one at the login: whoever found an open browser may not
 * guess either.
 */
export const changePassword =
  (deps: Deps) =>
  async (change: PasswordChange): Promise<Result<void, Refusal | RateLimited>> => {
    const admitted = deps.passwords.admit()
    if (!admitted.ok) return admitted
    const known = await deps.accounts.forPasswordChange(change.userId)
    if (!known) return err('credentials_invalid')
    return deps.guardSecret({ email: known.user.email, ip: change.ip }, () => exchange(deps, change, known))
  }

type Known = NonNullable<Awaited<ReturnType<AccountReads['forPasswordChange']>>>

const exchange = async (
  deps: Deps,
  change: PasswordChange,
  { user: person, passwordHash }: Known,
  isSecondTry = false,
): Promise<Result<void, Refusal>> => {
  const { passwords, refusePassword } = deps
  const { currentPassword, newPassword } = change
  const matches = await passwords.verify(passwordHash, currentPassword)
  if (!matches.ok) return matches
  if (!matches.value) return err('credentials_invalid')
  const refused = await refusePassword(newPassword, person)
  if (refused) return err(refused)
  const newHash = await passwords.hash(newPassword)
  if (!newHash.ok) return newHash

  if (await replace(deps, change, passwordHash, newHash.value)) return ok(undefined)
  // A sign-in may have made a stronger hash of the same password just then; another password is refused this time.
  const newer = isSecondTry ? undefined : await deps.accounts.forPasswordChange(change.userId)
  return newer ? exchange(deps, change, newer, true) : err('credentials_invalid')
}

/** False where the hash that was checked is not the account's any more. */
const replace = (
  { unitOfWork, clock }: Deps,
  { userId, sessionId }: PasswordChange,
  checkedHash: string,
  newHash: string,
): Promise<boolean> =>
  unitOfWork(async (tx) => {
    const now = clock.now()
    const locked = await tx.users.lockWithPassword(userId)
    if (locked?.passwordHash !== checkedHash) return false

    const changed = { ...locked.user, updatedAt: now, version: locked.user.version + 1 }
    await tx.users.update(changed)
    await tx.credentials.set(userId, newHash, now)
    await tx.resetTokens.drop(userId)
    const ended = await tx.sessions.end({ userId, except: sessionId }, 'password_changed', now)
    const data = { userId, email: changed.email, timestamp: now.toISOString() }
    await tx.outbox.append(
      userPasswordChanged.of({ subject: userId, sequence: changed.version, data }),
      ...sessionsRevoked(ended, 'password_changed', now),
    )
    return true
  })
