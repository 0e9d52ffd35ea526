import { type Clock, err, ok, type Result } from '@ashlar/kernel'
import { userPasswordChanged } from '../../contract.ts'
import { judgePassword, type PasswordRefused, type PasswordRules } from '../../domain/password.ts'
import { sessionsRevoked } from '../events.ts'
import type { AccountReads, AsUser, OneTimeTokens, Passwords, Work } from '../ports.ts'

type Deps = {
  unitOfWork: Work
  accounts: Pick<AccountReads, 'ofResetToken'>
  passwords: Passwords
  tokens: OneTimeTokens
  rules: PasswordRules
  asUser: AsUser
  clock: Clock
}

type Refusal = 'token_invalid' | 'overloaded' | PasswordRefused

/**
 * Sets a password by a one-time token and ends every session of the account. The token survives a refused password,
 * and dies with its use, together with the account's other ones.
 */
export const resetPassword =
  ({ unitOfWork, accounts, passwords, tokens, rules, asUser, clock }: Deps) =>
  async ({ token, newPassword }: { token: string; newPassword: string }): Promise<Result<void, Refusal>> => {
    const hash = tokens.hash(token)
    const owner = await accounts.ofResetToken(hash, clock.now())
    if (!owner) return err('token_invalid')
    const reasons = judgePassword(newPassword, owner, rules)
    if (reasons.length > 0) return err({ code: 'password_refused', reasons })
    const passwordHash = await passwords.hash(newPassword)
    if (!passwordHash.ok) return passwordHash

    const reset = () =>
      unitOfWork(async (tx) => {
        const now = clock.now()
        const user = await tx.users.lock({ id: owner.id })
        if (!user || !(await tx.resetTokens.consume(user.id, hash, now))) return err('token_invalid')

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
    return asUser(owner.id, reset)
  }
