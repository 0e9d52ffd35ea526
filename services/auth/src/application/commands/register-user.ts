import { type Clock, err, type NewId, ok, type Result } from '@ashlar/kernel'
import { userRegistered } from '../../contract.ts'
import type { UserId } from '../../domain/account.ts'
import type { EmailAddress } from '../../domain/email.ts'
import type { PasswordRefused } from '../../domain/password.ts'
import { claimAddress } from '../claim-address.ts'
import { personOf, requestMail } from '../events.ts'
import type {
  EvenTime,
  HashIdentifier,
  Lifetimes,
  LinkLimits,
  OneTimeTokens,
  Passwords,
  RefusePassword,
  SealMail,
  Work,
} from '../ports.ts'

type Deps = {
  unitOfWork: Work
  passwords: Passwords
  tokens: OneTimeTokens
  sealMail: SealMail
  refusePassword: RefusePassword
  hashIdentifier: HashIdentifier
  linkLimits: LinkLimits
  evenTime: EvenTime
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
 * Claims an address. Known and unknown ones get the same answer for the same work: one hash and the same statements,
 * in a time that does not depend on what they found. An address that had too many mails gets no further one, while
 * the claim stays and can be mailed later. Refuses with `password_refused` (and its reasons) or `overloaded`, both of
 * which tell nothing of the address.
 */
export const registerUser =
  (deps: Deps) =>
  async (registration: Registration): Promise<Result<void, 'overloaded' | PasswordRefused>> => {
    const admitted = deps.passwords.admit()
    if (!admitted.ok) return admitted
    const refused = await deps.refusePassword(registration.password, registration)
    if (refused) return err(refused)
    const passwordHash = await deps.passwords.hash(registration.password)
    if (!passwordHash.ok) return passwordHash
    return deps.evenTime(() => claim(deps, registration, passwordHash.value))
  }

const claim = (deps: Deps, registration: Registration, passwordHash: string): Promise<Result<void, never>> => {
  const { unitOfWork, tokens, sealMail, hashIdentifier, linkLimits, lifetimes, clock, newId } = deps
  const { email, firstName, lastName } = registration
  const link = tokens.make()
  return unitOfWork(async (tx) => {
    const now = clock.now()
    const expiresAt = new Date(now.getTime() + lifetimes.verificationMs)
    const claimant = { id: newId() as UserId, email, firstName, lastName, createdAt: now }
    const { user, isNew } = await claimAddress(tx, claimant)

    const names = { firstName, lastName }
    await tx.registrations.add({
      passwordHash,
      ...names,
      userId: user.id,
      linkHash: link.hash,
      createdAt: now,
      expiresAt,
    })
    const known = { template: 'email-already-registered', firstName: user.firstName } as const
    const pending = { template: 'verify-email', firstName, token: link.token } as const
    const mail = user.emailVerifiedAt === null ? pending : known
    const admitted = await tx.mailedLinks.admit(
      { addressHash: hashIdentifier(email), kind: mail.template },
      now,
      linkLimits,
    )
    const news = userRegistered.of({ subject: user.id, sequence: user.version, data: personOf(user, now) })
    await tx.outbox.append(
      ...(isNew ? [news] : []),
      ...(admitted ? [requestMail(sealMail, { ...mail, to: user, expiresAt })] : []),
    )
    return ok(undefined)
  })
}
