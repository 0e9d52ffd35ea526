import { type Clock, err, ok, type Result } from '@ashlar/kernel'
import { fitsToken, type Role, sizeOf, sortedUnique } from '../../domain/rights.ts'
import { type Actor, authorise } from '../authority.ts'
import type { Work } from '../ports.ts'

type Deps = { unitOfWork: Work; clock: Clock }
type Input = { actor: Actor; name: string; permissions: readonly string[] }

/** Makes a role of what the actor holds himself; an administrator may use names that nobody holds yet. */
export const createRole =
  ({ unitOfWork, clock }: Deps) =>
  (input: Input): Promise<Result<Role, 'forbidden' | 'role_exists' | 'rights_too_large'>> =>
    unitOfWork(async (tx) => {
      const { actor, name } = input
      const permissions = sortedUnique(input.permissions)
      const asker = await tx.users.lock({ id: actor.id })
      const moved = { roles: [], permissions }
      const allowed = await authorise(tx, { actor, asker, permission: 'roles:write', moved })
      if (!allowed.ok) return err('forbidden')
      if (!fitsToken(sizeOf(permissions))) return err('rights_too_large')

      const now = clock.now()
      const added = await tx.roles.add({ name, permissions }, now)
      return added ? ok({ name, permissions, builtIn: false, createdAt: now, updatedAt: now }) : err('role_exists')
    })
