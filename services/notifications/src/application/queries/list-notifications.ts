import { addressKey } from '../../domain/address.ts'
import type { ContentSeal, MessageFilter, NotificationReader, Page, Position } from '../ports.ts'
import { type Message, messageOf, type Requester, readsAll } from './view.ts'

/** A page, and where the next one begins if there is one. */
export type PageOf<Item, At = Position> = { items: Item[]; next: At | undefined }

/** Cuts the one row that was read too many, which tells that there is a next page. */
export const pageOf = <Row, Item, At>(
  rows: Row[],
  limit: number,
  show: (row: Row) => Item,
  positionOf: (row: Row) => At,
): PageOf<Item, At> => {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  return { items: shown.map(show), next: rows.length > limit && last !== undefined ? positionOf(last) : undefined }
}

export type ListNotifications = (input: {
  requester: Requester
  filter: Omit<MessageFilter, 'recipients'> & { recipient?: string }
  page: Page
}) => Promise<PageOf<Message>>

type Deps = {
  reader: Pick<NotificationReader, 'list' | 'usersOf'>
  seal: Pick<ContentSeal, 'open' | 'hashAddress'>
}

/** Own messages, or everybody's with `notifications:read`; newest first. */
export const listNotifications =
  ({ reader, seal }: Deps): ListNotifications =>
  async ({ requester, filter: { recipient, ...filter }, page }) => {
    const own = { userId: requester.userId }
    // Somebody else's messages are none of one's own, whatever is asked for.
    if (!readsAll(requester) && filter.userId !== undefined && filter.userId !== own.userId)
      return { items: [], next: undefined }
    const recipients = recipient === undefined ? {} : { recipients: await recipientsOf({ reader, seal }, recipient) }
    const whose = readsAll(requester) ? {} : own
    const rows = await reader.list({ ...filter, ...recipients, ...whose }, { ...page, limit: page.limit + 1 })
    return pageOf(
      rows,
      page.limit,
      (row) => messageOf(seal, row),
      (row) => row.position,
    )
  }

/** All forms under which messages to that address are stored. */
const recipientsOf = async ({ reader, seal }: Deps, address: string): Promise<string[]> => {
  const users = await reader.usersOf(addressKey(address))
  return [`address:${seal.hashAddress(address)}`, ...users.map((userId) => `user:${userId}`)]
}
