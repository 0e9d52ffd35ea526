import { err, ok, type Result } from '@ashlar/kernel'
import { maySee, type Requester } from '../../domain/access.ts'
import type { Refund } from '../../domain/refund.ts'
import type { Page, PaymentStore } from '../ports.ts'
import { type PageOf, pageOf } from './list-payments.ts'

export type ListRefunds = (input: {
  requester: Requester
  transactionId: string
  page: Page
}) => Promise<Result<PageOf<Refund>, 'not_found'>>

/** The refunds of a payment that the requester may see; newest first. */
export const listRefunds =
  ({ store }: { store: Pick<PaymentStore, 'find' | 'refundsOf'> }): ListRefunds =>
  async ({ requester, transactionId, page }) => {
    const payment = await store.find(transactionId)
    if (!payment || !maySee(payment, requester)) return err('not_found')
    const rows = await store.refundsOf(transactionId, { ...page, limit: page.limit + 1 })
    return ok(pageOf(rows, page.limit, (refund) => ({ createdAt: refund.createdAt, id: refund.id })))
  }
