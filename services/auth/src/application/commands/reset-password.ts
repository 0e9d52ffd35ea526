import { type Clock, err, ok, type Result } from '@ashlar/kernel'
import { userPasswordChanged } from '../../contract.ts'
import type { PasswordRefused } from '../../domain/password.ts'
import { sessionsRevoked } from '../events.ts'
import type { AccountReads, AsUser, ForgiveGuesses, OneTimeTokens, Passwords, RefusePassword, Work } from '../ports.ts'

type Deps = {
  unitOfWork: Work
  accounts: Pick<AccountReads, 'ofResetToken'>
  passwords: Passwords
  tokens: OneTimeTokens
  refusePassword: RefusePassword
  forgiveGuesses: ForgiveGuesses
  asUser: AsUser
  clock: Clock
}

type Refusal = 'token_invalid' | 'overloaded' | PasswordRefused

/**
 * Sets a password by a one-time token and ends every session of the account. The token survives a refused password,
 * and dies with its use, together with the account's other ones. It proves nothing else: a deactivated account stays
 * as it is.
 */
export const resetPassword =
  (deps: Deps) =>
  async (input: { token: string; newPassword: string; ip: string | null }): Promise<Result<void, Refusal>> => {
    const { unitOfWork, accounts, passwords, tokens, refusePassword, forgiveGuesses, asUser, clock } = deps
    const admitted = passwords.admit()
    if (!admitted.ok) return admitted
    const hash = tokens.hash(input.token)
    const owner = await accounts.ofResetToken(hash, clock.now())
    if (!owner?.isActive) return err('token_invalid')
    const refused = await refusePassword(input.newPassword, owner)
    if (refused) return err(refused)
    const passwordHash = await passwords.hash(input.newPassword)
    if (!passwordHash.ok) return passwordHash

    const reset = () =>
      unitOfWork(async (tx) => {
        const now = clock.now()
        const user = await tx.users.lock({ id: owner.id })
        if (!user?.isActive || !(await tx.resetTokens.consume(user.id, hash, now))) return err('token_invalid')

        const changed = { ...user, updatedAt: now, version: user.version + 1 }
        await tx.users.update(changed)
        await tx.credentials.set(user.id, passwordHash.value, now)
        const ended = await tx.sessions.end({ userId: user.id }, 'password_reset', now)
        const data = { userId: user.id, email: user.email, timestamp: now.toISOString() }
        await tx.outbox.append(
          userPasswordChanged.of({ subject: user.id, sequence: changed.version, data }),
          ...sessionsRevoked(ended, 'password_reset', now),
        )
        return ok(undefined)
      })
    const done = await asUser(owner.id, reset)
    // Whoever guessed until he had to ask for a link is not kept out with the new password.
    if (done.ok) forgiveGuesses({ email: owner.email, ip: input.ip })
    return done
  }
