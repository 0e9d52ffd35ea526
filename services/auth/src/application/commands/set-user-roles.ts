import { type Clock, err, ok, type Result } from '@ashlar/kernel'
import { userUpdated } from '../../contract.ts'
import type { Account, UserId } from '../../domain/account.ts'
import {
  ADMINISTRATOR,
  fitsToken,
  isAdministrator,
  movedByAssignment,
  sizeOf,
  sortedUnique,
} from '../../domain/rights.ts'
import { type Actor, authorise, lockWithActor } from '../authority.ts'
import { personOf } from '../events.ts'
import type { Work } from '../ports.ts'

type Deps = { unitOfWork: Work; clock: Clock }
type Input = { actor: Actor; userId: UserId; roles: readonly string[] }
type Refusal =
  | 'not_found'
  | 'forbidden'
  | 'last_administrator'
  | 'rights_too_large'
  | { code: 'roles_unknown'; roles: string[] }

/**
 * Gives a user exactly these roles. When this resolves, access tokens of his sessions are stale in this process.
 * Refuses with `forbidden` where the actor lacks what would be handed out or holds less than the one he takes from,
 * and with `last_administrator` where nobody would be left to administrate.
 */
export const setUserRoles =
  ({ unitOfWork, clock }: Deps) =>
  ({ actor, userId, roles }: Input): Promise<Result<Account, Refusal>> =>
    unitOfWork(async (tx) => {
      const { user, asker } = await lockWithActor(tx, actor, userId)
      if (!user) return err('not_found')
      const names = sortedUnique(roles)
      const wanted = await tx.roles.hold(names)
      const unknown = names.filter((name) => !wanted.some((role) => role.name === name))
      if (unknown.length > 0) return err({ code: 'roles_unknown', roles: unknown })

      const before = await tx.users.rights(user.id)
      const demotes = isAdministrator(user, before) && !names.includes(ADMINISTRATOR)
      const allowed = await authorise(
        tx,
        { actor, asker, permission: 'roles:assign', moved: movedByAssignment(before, wanted) },
        async () => demotes && (await tx.roles.otherAdministrators(user.id)) === 0,
      )
      if (!allowed.ok) return allowed
      if (names.join() === before.roles.join()) return ok({ ...user, ...before })
      if (!fitsToken(sizeOf(sortedUnique(wanted.flatMap(({ permissions }) => permissions)))))
        return err('rights_too_large')

      const now = clock.now()
      const changed = { ...user, updatedAt: now, version: user.version + 1 }
      await tx.users.setRoles(user.id, names)
      await tx.users.update(changed)
      await tx.sessions.markStale(user.id, now)
      const data = { ...personOf(changed, now), roles: names }
      await tx.outbox.append(userUpdated.of({ subject: user.id, sequence: changed.version, data }))
      return ok({ ...changed, ...(await tx.users.rights(user.id)) })
    })
