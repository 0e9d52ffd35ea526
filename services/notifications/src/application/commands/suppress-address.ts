import { err, type NewId, ok, type Result } from '@ashlar/kernel'
import type { UnitOfWork } from '@ashlar/platform/postgres'
import { addressKey, isSingleAddress } from '../../domain/address.ts'
import type { ContentSeal, Repositories, Suppression } from '../ports.ts'

export type SuppressedView = Omit<Suppression, 'sealed' | 'position'> & {
  address: string | null
  reason: string | null
}

export type SuppressAddress = (input: {
  address: string
  reason: string | null
}) => Promise<Result<SuppressedView, 'address_malformed'>>

type Deps = {
  unitOfWork: UnitOfWork<Pick<Repositories, 'suppressions' | 'notifications'>>
  seal: Pick<ContentSeal, 'sealSuppression' | 'hashAddress'>
  newId: NewId
}

/** Sends nothing to an address any more, whatever it is: codes and links too. What is queued for it is suppressed now. */
export const suppressAddress =
  ({ unitOfWork, seal, newId }: Deps): SuppressAddress =>
  ({ address, reason }) =>
    unitOfWork(async (tx) => {
      if (!isSingleAddress(address)) return err('address_malformed')
      const shown = addressKey(address)
      const addressHash = seal.hashAddress(shown)
      const id = newId()
      const sealed = seal.sealSuppression(id, { address: shown, reason })
      const { createdAt, source, id: kept } = await tx.suppressions.put({ id, addressHash, sealed, source: 'operator' })
      await tx.notifications.suppressQueued({ addressHash }, 'address_suppressed')
      return ok({ id: kept, source, createdAt, address: shown, reason })
    })

/** Sends to an address again; what was suppressed stays so. */
export const unsuppressAddress =
  ({ unitOfWork, seal }: Omit<Deps, 'newId'>) =>
  ({ address }: { address: string }): Promise<void> =>
    unitOfWork((tx) => tx.suppressions.remove(seal.hashAddress(address)))
