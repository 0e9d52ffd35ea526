import { type Clock, ok, type Result } from '@ashlar/kernel'
import type { EmailAddress } from '../../domain/email.ts'
import { requestMail } from '../events.ts'
import type { Lifetimes, OneTimeTokens, SealMail, Work } from '../ports.ts'

type Deps = {
  unitOfWork: Work
  tokens: OneTimeTokens
  sealMail: SealMail
  lifetimes: Pick<Lifetimes, 'verificationMs'>
  clock: Clock
}

/**
 * Mails a new link for the newest registration of an unverified address; earlier links keep working until one is
 * used. Says the same for every address: there is no refusal.
 */
export const resendVerification =
  ({ unitOfWork, tokens, sealMail, lifetimes, clock }: Deps) =>
  ({ email }: { email: EmailAddress }): Promise<Result<void, never>> =>
    unitOfWork(async (tx) => {
      const now = clock.now()
      const link = tokens.make()
      const expiresAt = new Date(now.getTime() + lifetimes.verificationMs)
      const claim = await tx.registrations.renew(email, { linkHash: link.hash, createdAt: now, expiresAt })
      if (!claim) return ok(undefined)

      const { userId: id, firstName } = claim
      const mail = { to: { id, email }, firstName, token: link.token, expiresAt }
      await tx.outbox.append(requestMail(sealMail, { template: 'verify-email', ...mail }))
      return ok(undefined)
    })
