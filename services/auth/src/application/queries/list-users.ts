import type { Account } from '../../domain/account.ts'
import type { AccountReads, ListPosition, UserFilter } from '../ports.ts'

type Input = { filter: UserFilter; limit: number; after?: ListPosition }

/** Users, newest first. `next` is where the following page begins, if there is one. */
export const listUsers =
  ({ accounts }: { accounts: Pick<AccountReads, 'users'> }) =>
  async ({ filter, limit, after }: Input): Promise<{ users: Account[]; next: ListPosition | undefined }> => {
    const found = await accounts.users(filter, { limit: limit + 1, after })
    const users = found.slice(0, limit)
    const last = users.at(-1)
    return { users, next: found.length > limit && last ? { createdAt: last.createdAt, key: last.id } : undefined }
  }
