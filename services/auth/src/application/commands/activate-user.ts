import { type Clock, err, ok, type Result } from '@ashlar/kernel'
import { userActivated } from '../../contract.ts'
import type { Account, UserId } from '../../domain/account.ts'
import { type Actor, authorise, lockWithActor } from '../authority.ts'
import type { Work } from '../ports.ts'

type Deps = { unitOfWork: Work; clock: Clock }

/**
 * Lets a deactivated user sign in again; none of his sessions comes back. An active one stays as he is. Refuses with
 * `forbidden` where he would have more rights than the actor: giving them back is giving them.
 */
export const activateUser =
  ({ unitOfWork, clock }: Deps) =>
  ({ actor, userId }: { actor: Actor; userId: UserId }): Promise<Result<Account, 'not_found' | 'forbidden'>> =>
    unitOfWork(async (tx) => {
      const { user, asker } = await lockWithActor(tx, actor, userId)
      if (!user) return err('not_found')
      const rights = await tx.users.rights(user.id)
      const allowed = await authorise(tx, { actor, asker, permission: 'users:write', moved: rights })
      if (!allowed.ok) return err('forbidden')
      if (user.isActive) return ok({ ...user, ...rights })

      const now = clock.now()
      const changed = { ...user, isActive: true, updatedAt: now, version: user.version + 1 }
      await tx.users.update(changed)
      const data = { userId: user.id, timestamp: now.toISOString() }
      await tx.outbox.append(userActivated.of({ subject: user.id, sequence: changed.version, data }))
      return ok({ ...changed, ...rights })
    })
