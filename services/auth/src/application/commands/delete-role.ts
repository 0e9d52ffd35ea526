import { type Clock, err, ok, type Result } from '@ashlar/kernel'
import { type Actor, authorise } from '../authority.ts'
import type { Work } from '../ports.ts'

type Deps = { unitOfWork: Work; clock: Clock }
type Refusal = 'not_found' | 'forbidden' | 'role_protected'

/**
 * Takes a role from all who hold it and removes it. When this resolves, their access tokens are stale in this
 * process. Refuses with `role_protected` for a built-in one, and with `forbidden` where the actor holds less.
 */
export const deleteRole =
  ({ unitOfWork, clock }: Deps) =>
  ({ actor, name }: { actor: Actor; name: string }): Promise<Result<void, Refusal>> =>
    unitOfWork(async (tx) => {
      const asker = await tx.users.lock({ id: actor.id })
      const role = await tx.roles.lock(name, 'removal')
      if (!role) return err('not_found')
      const moved = { roles: [name], permissions: role.permissions }
      const allowed = await authorise(tx, { actor, asker, permission: 'roles:write', moved })
      if (!allowed.ok) return err('forbidden')
      if (role.builtIn) return err('role_protected')
      await tx.roles.remove(name, clock.now())
      return ok(undefined)
    })
