import { err, ok, type Result } from '@ashlar/kernel'
import type { UnitOfWork } from '@ashlar/platform/postgres'
import { mayResend } from '../../domain/delivery.ts'
import type { Repositories } from '../ports.ts'

export type ResendRefusal =
  | 'not_found'
  /** Only what failed or is unknown may go out once more. */
  | 'not_resendable'
  /** Its contents were dropped, by age or with the person. */
  | 'content_dropped'
  /** Its link or code is of no use any more: the person asks for a new one. */
  | 'content_expired'
  | 'address_suppressed'

export type ResendNotification = (id: string) => Promise<Result<{ id: string; status: 'queued' }, ResendRefusal>>

type Deps = {
  unitOfWork: UnitOfWork<Pick<Repositories, 'notifications'>>
  retrySeconds: number
  /** Told after the commit. */
  onQueued: () => void
}

/**
 * Has a message sent once more that failed, or of which nobody knows: the person may get it twice, so only an operator
 * decides that. Two who ask at once make one new try. Runs inside an execution context: the trail says who it was.
 */
export const resendNotification =
  ({ unitOfWork, retrySeconds, onQueued }: Deps): ResendNotification =>
  async (id) => {
    if (!UUID.test(id)) return err('not_found')
    const result = await unitOfWork(async (tx): ReturnType<ResendNotification> => {
      const message = await tx.notifications.lock(id)
      if (!message) return err('not_found')
      if (!mayResend(message.status)) return err('not_resendable')
      if (!message.hasContent || message.recipientErased) return err('content_dropped')
      if (message.expired) return err('content_expired')
      if (message.addressSuppressed) return err('address_suppressed')
      await tx.notifications.requeue(id, retrySeconds)
      return ok({ id, status: 'queued' })
    })
    if (result.ok) onQueued()
    return result
  }

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i
