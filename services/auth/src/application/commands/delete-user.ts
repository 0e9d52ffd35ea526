import { type Clock, err, ok, type Result } from '@ashlar/kernel'
import { userDeleted } from '../../contract.ts'
import type { UserId } from '../../domain/account.ts'
import { isAdministrator } from '../../domain/rights.ts'
import { type Actor, authorise, lockWithActor } from '../authority.ts'
import { sessionsRevoked } from '../events.ts'
import type { AuthTx, Work } from '../ports.ts'

type Deps = { unitOfWork: Work; clock: Clock }
type Refusal = 'not_found' | 'forbidden' | 'last_administrator'

/**
 * Removes a person: his sessions end, his address is free again, and what others keep is the bare id. When this
 * resolves, no access token of his passes in this process. Anybody may delete himself; whoever deletes another one
 * must hold what he holds. Refuses with `last_administrator` where nobody would be left to administrate.
 */
export const deleteUser =
  ({ unitOfWork, clock }: Deps) =>
  ({ actor, userId }: { actor: Actor; userId: UserId }): Promise<Result<void, Refusal>> =>
    unitOfWork(async (tx) => {
      const { user, asker } = await lockWithActor(tx, actor, userId)
      if (!user) return err('not_found')
      const rights = await tx.users.rights(user.id)
      const isLast = async () => isAdministrator(user, rights) && (await tx.roles.otherAdministrators(user.id)) === 0
      if (actor.id === userId) {
        if (await isLast()) return err('last_administrator')
      } else {
        const request = { actor, asker, permission: 'users:delete', moved: rights }
        const allowed = await authorise(tx, request, isLast)
        if (!allowed.ok) return allowed
      }
      await erase(tx, user.id, user.version + 1, clock.now())
      return ok(undefined)
    })

/**
 * The sessions end before they go: their revocations must reach verifiers that never knew of the person. The roles go
 * before either: whoever removes a role takes it from its holders first and writes his revocation then, and two who
 * did this in different orders would wait for each other.
 */
const erase = async (tx: AuthTx, userId: UserId, sequence: number, now: Date): Promise<void> => {
  await tx.users.setRoles(userId, [])
  const ended = await tx.sessions.end({ userId }, 'deleted', now)
  await tx.users.remove(userId)
  const data = { userId, timestamp: now.toISOString() }
  await tx.outbox.append(...sessionsRevoked(ended, 'deleted', now), userDeleted.of({ subject: userId, sequence, data }))
}
