import type { Clock, NewId } from '@ashlar/kernel'
import type { ContextStore } from '@ashlar/platform/context'
import type { Variables } from '../../domain/template.ts'
import { isUrgent } from '../../domain/templates/built-in.ts'
import type { Added, ContentSeal, Rate, Repositories } from '../ports.ts'

export type QueueDeps = {
  seal: Pick<ContentSeal, 'seal' | 'hashAddress'>
  clock: Clock
  newId: NewId
  context: ContextStore
  /** Domain of the sender, right side of each Message-ID. */
  messageIdDomain: string
  retrySeconds: number
  rate: Rate
  /** Told of each message that is suppressed at once; the transaction may still fail. */
  onSuppressed: (template: string) => void
}

export type MailOrder = {
  /** Id of the event or request that asks for the mail: with recipient and template it makes the message unique. */
  triggerId: string
  template: string
  /** The newest one without it. */
  templateVersion?: number
  to: string
  /** Null for an address without an account. */
  userId: string | null
  variables: Variables
  /** After it the mail is of no use, so it is not sent any more. */
  expiresAt?: Date
}

export type QueueMail = (tx: Pick<Repositories, 'notifications'>, order: MailOrder) => Promise<{ id: string } & Added>

/**
 * Writes a message down, once per trigger, recipient and template, in the caller's transaction, by one statement. It is
 * rendered when it is handed over, from the version that is the newest now; till then its variables and its address are
 * sealed, and the readable row holds neither.
 */
export const queueMail = (deps: QueueDeps): QueueMail => {
  const { seal, clock, newId, context, rate } = deps
  return async (tx, order) => {
    const { template, to, userId, variables, expiresAt } = order
    const id = newId()
    const leftSeconds = expiresAt ? (expiresAt.getTime() - clock.now().getTime()) / 1_000 : Infinity
    const { requestId, traceparent } = context.current()
    const addressHash = seal.hashAddress(to)
    const added = await tx.notifications.add(
      {
        id,
        triggerId: order.triggerId,
        template,
        templateVersion: order.templateVersion ?? null,
        userId,
        recipient: userId ? `user:${userId}` : `address:${addressHash}`,
        addressHash,
        urgent: isUrgent(template),
        messageId: `<${id}@${deps.messageIdDomain}>`,
        deadlineSeconds: Math.min(deps.retrySeconds, leftSeconds),
        expiresAt: expiresAt ?? null,
        requestId,
        traceparent,
        sealed: seal.seal(id, { to, variables }),
      },
      rate,
    )
    if (added.outcome === 'suppressed') deps.onSuppressed(template)
    return { id, ...added }
  }
}
