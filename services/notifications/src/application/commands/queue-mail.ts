import type { Clock, NewId } from '@ashlar/kernel'
import type { ContextStore } from '@ashlar/platform/context'
import type { Template, Variables } from '../../domain/template.ts'
import { latestTemplate, type TemplateName } from '../../domain/templates/built-in.ts'
import type { ContentSeal, Renderer, Repositories } from '../ports.ts'

export type QueueDeps = {
  templates: readonly Template[]
  renderer: Renderer
  seal: ContentSeal
  clock: Clock
  newId: NewId
  context: ContextStore
  /** Shown in every mail. */
  product: string
  /** Domain of the sender, right side of each Message-ID. */
  messageIdDomain: string
  retrySeconds: number
}

export type MailOrder = {
  /** Id of the event that asks for the mail: with recipient and template it makes the message unique. */
  triggerId: string
  template: TemplateName
  to: string
  /** Null for an address without an account. */
  userId: string | null
  variables: Variables
  /** Goes out before what is not urgent, over senders of its own: codes, links, security alerts. */
  urgent: boolean
  /** After it the mail is of no use, so it is not sent any more. */
  expiresAt?: Date
}

export type QueueMail = (tx: Repositories, order: MailOrder) => Promise<'queued' | 'duplicate'>

/**
 * Writes a message down, once per trigger, recipient and template, in the caller's transaction. Its texts are rendered
 * now, from the newest version of the template, and stored sealed; the readable row holds neither them nor the address.
 * Throws where the template cannot be rendered: that is a defect, and belongs to the dead letters.
 */
export const queueMail = (deps: QueueDeps): QueueMail => {
  const { templates, renderer, seal, clock, newId, context } = deps
  return async (tx, order) => {
    const template = latestTemplate(templates, order.template)
    if (!template) throw new Error(`there is no template ${order.template}`)
    const mail = renderer.render(template, { product: deps.product, ...order.variables })

    const id = newId()
    const leftSeconds = order.expiresAt ? (order.expiresAt.getTime() - clock.now().getTime()) / 1_000 : Infinity
    const { requestId, traceparent } = context.current()
    const added = await tx.notifications.add({
      id,
      triggerId: order.triggerId,
      template: template.name,
      templateVersion: template.version,
      userId: order.userId,
      recipient: order.userId ? `user:${order.userId}` : `address:${seal.hashAddress(order.to)}`,
      urgent: order.urgent,
      messageId: `<${id}@${deps.messageIdDomain}>`,
      deadlineSeconds: Math.min(deps.retrySeconds, leftSeconds),
      requestId,
      traceparent,
    })
    if (!added) return 'duplicate'
    await tx.contents.put(id, seal.seal(id, { ...mail, to: order.to }))
    return 'queued'
  }
}
