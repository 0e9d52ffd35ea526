import { type Clock, err, type NewId, ok, type Result } from '@ashlar/kernel'
import { userRegistered } from '../../contract.ts'
import type { User, UserId } from '../../domain/account.ts'
import type { EmailAddress } from '../../domain/email.ts'
import { judgePassword, type PasswordRefused, type PasswordRules } from '../../domain/password.ts'
import { personOf, requestMail } from '../events.ts'
import type { Lifetimes, OneTimeTokens, Passwords, SealMail, Work } from '../ports.ts'

type Deps = {
  unitOfWork: Work
  passwords: Passwords
  tokens: OneTimeTokens
  sealMail: SealMail
  rules: PasswordRules
  lifetimes: Pick<Lifetimes, 'verificationMs'>
  clock: Clock
  newId: NewId
}

export type Registration = {
  email: EmailAddress
  password: string
  firstName: string | null
  lastName: string | null
}

/**
 * Claims an address. Known and unknown ones get the same answer for the same work: one hash, one transaction, one
 * mail. Refuses with `password_refused` (and its reasons) or `overloaded`, both of which tell nothing of the address.
 */
export const registerUser =
  ({ unitOfWork, passwords, tokens, sealMail, rules, lifetimes, clock, newId }: Deps) =>
  async (registration: Registration): Promise<Result<void, 'overloaded' | PasswordRefused>> => {
    const { email, password, firstName, lastName } = registration
    const reasons = judgePassword(password, registration, rules)
    if (reasons.length > 0) return err({ code: 'password_refused', reasons })
    const passwordHash = await passwords.hash(password)
    if (!passwordHash.ok) return passwordHash

    const link = tokens.make()
    return unitOfWork(async (tx) => {
      const now = clock.now()
      const expiresAt = new Date(now.getTime() + lifetimes.verificationMs)
      const isNew = await tx.users.add({ id: newId() as UserId, email, firstName, lastName, createdAt: now })
      const user = (await tx.users.lock({ email })) as User

      const claim = { passwordHash: passwordHash.value, firstName, lastName }
      await tx.registrations.add({ ...claim, userId: user.id, linkHash: link.hash, createdAt: now, expiresAt })
      const known = { template: 'email-already-registered', firstName: user.firstName } as const
      const pending = { template: 'verify-email', firstName, token: link.token } as const
      const mail = user.emailVerifiedAt === null ? pending : known
      const news = userRegistered.of({ subject: user.id, sequence: user.version, data: personOf(user, now) })
      await tx.outbox.append(...(isNew ? [news] : []), requestMail(sealMail, { ...mail, to: user, expiresAt }))
      return ok(undefined)
    })
  }
