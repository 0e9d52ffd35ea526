import { type Clock, ok, type Result, unreachable } from '@ashlar/kernel'
import type { EmailAddress } from '../../domain/email.ts'
import { requestMail } from '../events.ts'
import type { AuthTx, HashIdentifier, Lifetimes, LinkLimits, OneTimeTokens, SealMail, Work } from '../ports.ts'

type Deps = {
  unitOfWork: Work
  tokens: OneTimeTokens
  sealMail: SealMail
  hashIdentifier: HashIdentifier
  linkLimits: LinkLimits
  lifetimes: Pick<Lifetimes, 'verificationMs' | 'forgotMs'>
  clock: Clock
}

/**
 * Does what was asked for an address, once: a link to whoever may have one, unless he had too many, and nothing for
 * everybody else.
 */
export const answerAddressRequest =
  (deps: Deps) =>
  ({ id }: { id: string }): Promise<Result<void, never>> =>
    deps.unitOfWork(async (tx) => {
      const request = await tx.addressRequests.take(id)
      if (!request) return ok(undefined)
      const { kind, email } = request
      switch (kind) {
        case 'password_forgot':
          await mailResetLink(deps, tx, email)
          return ok(undefined)
        case 'verification_resend':
          await mailVerificationLink(deps, tx, email)
          return ok(undefined)
        default:
          return unreachable(kind)
      }
    })

/** An address that nobody proved has no password to forget; a deactivated account gets none back this way. */
const mailResetLink = async (deps: Deps, tx: AuthTx, email: EmailAddress): Promise<void> => {
  const { tokens, sealMail, hashIdentifier, linkLimits, lifetimes, clock } = deps
  const now = clock.now()
  const user = await tx.users.lock({ email })
  if (!user?.isActive || user.emailVerifiedAt === null) return
  const link = { addressHash: hashIdentifier(email), kind: 'password-reset' } as const
  if (!(await tx.mailedLinks.admit(link, now, linkLimits))) return

  const { token, hash } = tokens.make()
  const expiresAt = new Date(now.getTime() + lifetimes.forgotMs)
  await tx.resetTokens.add({ hash, userId: user.id, createdAt: now, expiresAt })
  const { firstName } = user
  await tx.outbox.append(requestMail(sealMail, { template: 'password-reset', to: user, firstName, token, expiresAt }))
}

/** For the newest registration of an unverified address; earlier links keep working until one is used. */
const mailVerificationLink = async (deps: Deps, tx: AuthTx, email: EmailAddress): Promise<void> => {
  const { tokens, sealMail, hashIdentifier, linkLimits, lifetimes, clock } = deps
  const now = clock.now()
  const user = await tx.users.lock({ email })
  if (!user?.isActive || user.emailVerifiedAt !== null) return
  const link = { addressHash: hashIdentifier(email), kind: 'verify-email' } as const
  if (!(await tx.mailedLinks.admit(link, now, linkLimits))) return

  const { token, hash } = tokens.make()
  const expiresAt = new Date(now.getTime() + lifetimes.verificationMs)
  const claim = await tx.registrations.renew(email, { linkHash: hash, createdAt: now, expiresAt })
  if (!claim) return
  const { firstName } = claim
  await tx.outbox.append(requestMail(sealMail, { template: 'verify-email', to: user, firstName, token, expiresAt }))
}
