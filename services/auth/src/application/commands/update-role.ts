import { type Clock, err, ok, type Result } from '@ashlar/kernel'
import { fitsToken, keepsItsPurpose, movedByChange, type Role, sizeOf, sortedUnique } from '../../domain/rights.ts'
import { type Actor, authorise } from '../authority.ts'
import type { Work } from '../ports.ts'

type Deps = { unitOfWork: Work; clock: Clock }
type Input = { actor: Actor; name: string; permissions: readonly string[] }
type Refusal = 'not_found' | 'forbidden' | 'role_protected' | 'rights_too_large'

/**
 * Gives a role exactly these permissions. When this resolves, access tokens of all its holders are stale in this
 * process, however many there are. Refuses with `forbidden` where the actor does not hold what is added or taken,
 * and with `role_protected` where `admin` would lose what it needs.
 */
export const updateRole =
  ({ unitOfWork, clock }: Deps) =>
  (input: Input): Promise<Result<Role, Refusal>> =>
    unitOfWork(async (tx) => {
      const { actor, name } = input
      const permissions = sortedUnique(input.permissions)
      const asker = await tx.users.lock({ id: actor.id })
      const role = await tx.roles.lock(name, 'change')
      if (!role) return err('not_found')
      const moved = movedByChange(role, permissions)
      const allowed = await authorise(tx, { actor, asker, permission: 'roles:write', moved })
      if (!allowed.ok) return err('forbidden')
      if (!keepsItsPurpose(role, permissions)) return err('role_protected')
      if (moved.permissions.length === 0) return ok(role)
      if (!fitsToken(Math.max(sizeOf(permissions), await tx.roles.heaviestHolder(name, permissions)))) {
        return err('rights_too_large')
      }
      const now = clock.now()
      await tx.roles.change(name, permissions, now)
      return ok({ ...role, permissions, updatedAt: now })
    })
