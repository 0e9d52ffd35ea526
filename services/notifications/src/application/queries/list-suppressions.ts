import type { SuppressedView } from '../commands/suppress-address.ts'
import type { ContentSeal, Page, Suppression, SuppressionReader } from '../ports.ts'
import { type PageOf, pageOf } from './list-notifications.ts'

export type ListSuppressions = (input: { address?: string; page: Page }) => Promise<PageOf<SuppressedView>>

type Deps = { reader: SuppressionReader; seal: Pick<ContentSeal, 'openSuppression' | 'hashAddress'> }

/** Addresses that get no mail, newest first; of an erased person only that there is one. */
export const listSuppressions =
  ({ reader, seal }: Deps): ListSuppressions =>
  async ({ address, page }) => {
    const filter = address === undefined ? {} : { addressHash: seal.hashAddress(address) }
    const rows = await reader.list(filter, { ...page, limit: page.limit + 1 })
    const show = ({ sealed, position: _, ...row }: Suppression): SuppressedView => ({
      ...row,
      ...(sealed ? seal.openSuppression(row.id, sealed) : { address: null, reason: null }),
    })
    return pageOf(rows, page.limit, show, (row) => row.position)
  }
