import { type Clock, err, ok, type Result } from '@ashlar/kernel'
import { userDeactivated } from '../../contract.ts'
import type { Account, UserId } from '../../domain/account.ts'
import { isAdministrator } from '../../domain/rights.ts'
import { type Actor, authorise, lockWithActor } from '../authority.ts'
import { sessionsRevoked } from '../events.ts'
import type { Work } from '../ports.ts'

type Deps = { unitOfWork: Work; clock: Clock }
type Refusal = 'not_found' | 'forbidden' | 'last_administrator'

/**
 * Ends every session of a user and lets him sign in no more. When this resolves, no access token of his passes in
 * this process. Refuses with `forbidden` where he holds more than the actor, and with `last_administrator`.
 */
export const deactivateUser =
  ({ unitOfWork, clock }: Deps) =>
  ({ actor, userId }: { actor: Actor; userId: UserId }): Promise<Result<Account, Refusal>> =>
    unitOfWork(async (tx) => {
      const { user, asker } = await lockWithActor(tx, actor, userId)
      if (!user) return err('not_found')
      const rights = await tx.users.rights(user.id)
      const allowed = await authorise(
        tx,
        { actor, asker, permission: 'users:write', moved: rights },
        async () => isAdministrator(user, rights) && (await tx.roles.otherAdministrators(user.id)) === 0,
      )
      if (!allowed.ok) return allowed
      if (!user.isActive) return ok({ ...user, ...rights })

      const now = clock.now()
      const changed = { ...user, isActive: false, updatedAt: now, version: user.version + 1 }
      await tx.users.update(changed)
      const ended = await tx.sessions.end({ userId: user.id }, 'deactivated', now)
      const data = { userId: user.id, timestamp: now.toISOString() }
      await tx.outbox.append(
        userDeactivated.of({ subject: user.id, sequence: changed.version, data }),
        ...sessionsRevoked(ended, 'deactivated', now),
      )
      return ok({ ...changed, ...rights })
    })
