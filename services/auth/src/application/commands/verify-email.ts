import { type Clock, err, ok, type Result } from '@ashlar/kernel'
import { userVerified } from '../../contract.ts'
import type { Account } from '../../domain/account.ts'
import { personOf } from '../events.ts'
import type { OneTimeTokens, Work } from '../ports.ts'

type Deps = { unitOfWork: Work; tokens: OneTimeTokens; clock: Clock }

/**
 * Proves an address by the link that was mailed to it. Password and names of the link's own registration become the
 * account's; those of every other registration are gone, so whoever claimed a stranger's address has nothing. A link
 * works once. Refuses with `token_invalid`.
 */
export const verifyEmail =
  ({ unitOfWork, tokens, clock }: Deps) =>
  ({ token }: { token: string }): Promise<Result<Account, 'token_invalid'>> =>
    unitOfWork(async (tx) => {
      const now = clock.now()
      const linkHash = tokens.hash(token)
      const userId = await tx.registrations.ownerOf(linkHash)
      // The user first: two links of one address, used at once, then wait for each other instead of crossing.
      const user = userId && (await tx.users.lock({ id: userId }))
      const claim = user && (await tx.registrations.consume(user.id, linkHash, now))
      if (!user || !claim || user.emailVerifiedAt !== null) return err('token_invalid')

      const { passwordHash, firstName, lastName } = claim
      const verified = {
        ...user,
        firstName,
        lastName,
        emailVerifiedAt: now,
        updatedAt: now,
        version: user.version + 1,
      }
      await tx.users.update(verified)
      await tx.credentials.set(user.id, passwordHash, now)
      await tx.outbox.append(
        userVerified.of({ subject: user.id, sequence: verified.version, data: personOf(verified, now) }),
      )
      return ok({ ...verified, ...(await tx.users.rights(user.id)) })
    })
