import { ok, type Result } from '@ashlar/kernel'
import { holds, type Requester } from '../../domain/access.ts'
import type { Payment } from '../../domain/payment.ts'
import type { Page, PaymentFilter, PaymentStore, Position } from '../ports.ts'

/** A page, and where the next one begins if there is one. */
export type PageOf<Item> = { items: Item[]; next: Position | undefined }

export type ListPayments = (input: {
  requester: Requester
  filter: Omit<PaymentFilter, 'userId'>
  page: Page
}) => Promise<Result<PageOf<Payment>, never>>

/** Own payments, or everybody's with `payments:read:any`; newest first. */
export const listPayments =
  ({ store }: { store: Pick<PaymentStore, 'list'> }): ListPayments =>
  async ({ requester, filter, page }) => {
    const whose = holds(requester, 'payments:read:any') ? {} : { userId: requester.userId }
    const rows = await store.list({ ...filter, ...whose }, { ...page, limit: page.limit + 1 })
    return ok(pageOf(rows, page.limit, (payment) => ({ createdAt: payment.createdAt, id: payment.transactionId })))
  }

/** Cuts the one row that was read too many, which tells that there is a next page. */
export const pageOf = <Item>(rows: Item[], limit: number, positionOf: (item: Item) => Position): PageOf<Item> => {
  const items = rows.slice(0, limit)
  const last = items.at(-1)
  return { items, next: rows.length > limit && last ? positionOf(last) : undefined }
}
