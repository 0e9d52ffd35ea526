import { type Clock, err, ok, type Result } from '@ashlar/kernel'
import { userUpdated } from '../../contract.ts'
import type { Account, UserId } from '../../domain/account.ts'
import { personOf } from '../events.ts'
import type { Work } from '../ports.ts'

type Deps = { unitOfWork: Work; clock: Clock }

/** Names: undefined leaves one, null clears it. `condition` is asked about the account as it is under its lock. */
export type ProfileChange = {
  userId: UserId
  firstName?: string | null
  lastName?: string | null
  condition: (account: Account) => boolean
}

/** Refuses with `not_found`, or with `precondition_failed` where the condition does not hold. */
export const updateProfile =
  ({ unitOfWork, clock }: Deps) =>
  ({
    userId,
    firstName,
    lastName,
    condition,
  }: ProfileChange): Promise<Result<Account, 'not_found' | 'precondition_failed'>> =>
    unitOfWork(async (tx) => {
      const user = await tx.users.lock({ id: userId })
      if (!user) return err('not_found')
      const account = { ...user, ...(await tx.users.rights(user.id)) }
      if (!condition(account)) return err('precondition_failed')

      const names = {
        firstName: firstName === undefined ? user.firstName : firstName,
        lastName: lastName === undefined ? user.lastName : lastName,
      }
      if (names.firstName === user.firstName && names.lastName === user.lastName) return ok(account)
      const now = clock.now()
      const changed = { ...account, ...names, updatedAt: now, version: user.version + 1 }
      await tx.users.update(changed)
      const data = { ...personOf(changed, now), roles: account.roles }
      await tx.outbox.append(userUpdated.of({ subject: user.id, sequence: changed.version, data }))
      return ok(changed)
    })
