import { err, ok, type Result } from '@ashlar/kernel'
import type { User, UserId } from '../domain/account.ts'
import { covers, type Moved } from '../domain/rights.ts'
import type { AuthTx } from './ports.ts'

/** Who asks, with the rights that his access token tells of. */
export type Actor = Moved & { id: UserId }

/** Whom a request is about and who asks for it, both locked; in one order, so that two who change each other do not cross. */
export const lockWithActor = async (
  tx: AuthTx,
  actor: Actor,
  userId: UserId,
): Promise<{ user: User | undefined; asker: User | undefined }> => {
  const locked = await tx.users.lockAll([actor.id, userId])
  const find = (wanted: UserId) => locked.find(({ id }) => id === wanted)
  return { user: find(userId), asker: find(actor.id) }
}

/**
 * Whether the actor may move these rights by his token and also now: his token may be older than the loss of his own
 * rights. `locked` is his row under the transaction's lock. `ends` is asked in between, so that of two administrators
 * who demote each other the second hears that he would have been the last.
 */
export const authorise = async (
  tx: AuthTx,
  request: { actor: Actor; asker: User | undefined; permission: string; moved: Moved },
  ends?: () => Promise<boolean>,
): Promise<Result<void, 'forbidden' | 'last_administrator'>> => {
  const { actor, asker, permission, moved } = request
  if (!covers(actor, moved)) return err('forbidden')
  if (await ends?.()) return err('last_administrator')
  if (!asker?.isActive) return err('forbidden')
  const now = await tx.users.rights(actor.id)
  return now.permissions.includes(permission) && covers(now, moved) ? ok(undefined) : err('forbidden')
}
