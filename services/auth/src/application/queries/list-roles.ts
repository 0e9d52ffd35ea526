import type { Role } from '../../domain/rights.ts'
import type { AccountReads, ListPosition } from '../ports.ts'

type Input = { limit: number; after?: ListPosition }

/** Roles, newest first. `next` is where the following page begins, if there is one. */
export const listRoles =
  ({ accounts }: { accounts: Pick<AccountReads, 'roles'> }) =>
  async ({ limit, after }: Input): Promise<{ roles: Role[]; next: ListPosition | undefined }> => {
    const found = await accounts.roles({ limit: limit + 1, after })
    const roles = found.slice(0, limit)
    const last = roles.at(-1)
    return { roles, next: found.length > limit && last ? { createdAt: last.createdAt, key: last.name } : undefined }
  }
