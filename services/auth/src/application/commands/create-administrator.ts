import { type Clock, err, type NewId, ok, type Result } from '@ashlar/kernel'
import { userRegistered, userUpdated, userVerified } from '../../contract.ts'
import type { User, UserId } from '../../domain/account.ts'
import { parseEmail } from '../../domain/email.ts'
import type { PasswordRefused } from '../../domain/password.ts'
import { claimAddress } from '../claim-address.ts'
import { personOf } from '../events.ts'
import type { AuthTx, Lifetimes, OneTimeTokens, Passwords, RefusePassword, Work } from '../ports.ts'

type Deps = {
  unitOfWork: Work
  passwords: Passwords
  tokens: OneTimeTokens
  refusePassword: RefusePassword
  lifetimes: Pick<Lifetimes, 'resetMs'>
  clock: Clock
  newId: NewId
}

type Refusal = 'email_malformed' | 'overloaded' | 'account_deactivated' | PasswordRefused

/** `setupToken`: chooses the first password at `/auth/password/reset`; present where the account has none. */
export type Administrator = { userId: UserId; created: boolean; setupToken?: string }

/**
 * Makes a verified, active user with the role `admin`. An account that is verified already keeps its password and
 * only gets the role. A claimed but unproven address is taken from its claimants.
 */
export const createAdministrator =
  ({ unitOfWork, passwords, tokens, refusePassword, lifetimes, clock, newId }: Deps) =>
  async (input: { email: string; password?: string }): Promise<Result<Administrator, Refusal>> => {
    const parsed = parseEmail(input.email)
    if (!parsed.ok) return parsed
    const email = parsed.value
    let passwordHash: string | undefined
    if (input.password !== undefined) {
      const refused = await refusePassword(input.password, { email, firstName: null, lastName: null })
      if (refused) return err(refused)
      const hashed = await passwords.hash(input.password)
      if (!hashed.ok) return hashed
      passwordHash = hashed.value
    }

    return unitOfWork(async (tx) => {
      const now = clock.now()
      const { user, isNew: created } = await claimAddress(tx, {
        id: newId() as UserId,
        email,
        firstName: null,
        lastName: null,
        createdAt: now,
      })
      if (!user.isActive) return err('account_deactivated')
      if (created) {
        await tx.outbox.append(
          userRegistered.of({ subject: user.id, sequence: user.version, data: personOf(user, now) }),
        )
      }
      const verified = await prove(tx, user, passwordHash, now)
      await promote(tx, verified, now)
      if ((await tx.credentials.get(user.id)) !== undefined) return ok({ userId: user.id, created })

      const setup = tokens.make()
      const expiresAt = new Date(now.getTime() + lifetimes.resetMs)
      await tx.resetTokens.add({ hash: setup.hash, userId: user.id, createdAt: now, expiresAt })
      return ok({ userId: user.id, created, setupToken: setup.token })
    })
  }

/** The operator vouches for the address; passwords and names that came with unproven claims are dropped. */
const prove = async (tx: AuthTx, user: User, passwordHash: string | undefined, now: Date): Promise<User> => {
  if (user.emailVerifiedAt !== null) return user
  const names = { firstName: null, lastName: null }
  const verified = { ...user, ...names, emailVerifiedAt: now, updatedAt: now, version: user.version + 1 }
  await tx.users.update(verified)
  await tx.registrations.drop(user.id)
  if (passwordHash !== undefined) await tx.credentials.set(user.id, passwordHash, now)
  await tx.outbox.append(
    userVerified.of({ subject: user.id, sequence: verified.version, data: personOf(verified, now) }),
  )
  return verified
}

/** Adds the role; sessions that run must refresh to hold it. */
const promote = async (tx: AuthTx, user: User, now: Date): Promise<void> => {
  if (!(await tx.users.grant(user.id, 'admin'))) return
  const changed = { ...user, updatedAt: now, version: user.version + 1 }
  await tx.users.update(changed)
  await tx.sessions.markStale(user.id, now)
  const { roles } = await tx.users.rights(user.id)
  await tx.outbox.append(
    userUpdated.of({ subject: user.id, sequence: changed.version, data: { ...personOf(changed, now), roles } }),
  )
}
