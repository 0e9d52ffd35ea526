import { greetingName } from '../../domain/greeting.ts'
import type { Variables } from '../../domain/template.ts'
import type { TemplateName } from '../../domain/templates/built-in.ts'
import type { Repositories } from '../ports.ts'
import type { QueueMail } from './queue-mail.ts'

/** The events of a user and of his payments come in no common order: the address may be told a moment later. */
class ContactUnknown extends Error {
  constructor(userId: string) {
    super(`no contact is known for user ${userId} yet`)
    this.name = 'ContactUnknown'
  }
}

export type Notice = {
  triggerId: string
  userId: string
  template: TemplateName
  variables: Variables
}

/**
 * Queues a mail to a user at the address that is known for him now. Throws ContactUnknown, for the bus to try again;
 * a user who was deleted gets nothing.
 */
export const notifyUser =
  ({ queue }: { queue: QueueMail }) =>
  async (tx: Repositories, { triggerId, userId, template, variables }: Notice): Promise<void> => {
    const contact = await tx.contacts.find(userId)
    if (!contact) throw new ContactUnknown(userId)
    if (contact.email === null) return
    await queue(tx, {
      triggerId,
      template,
      to: contact.email,
      userId,
      variables: { firstName: greetingName(contact.firstName), ...variables },
    })
  }
