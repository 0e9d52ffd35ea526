import { mailRequested, refreshReused, userRegistered, userUpdated, userVerified } from '@ashlar/auth/contract'
import { paymentCreated, paymentFailed, paymentProcessed, paymentRefunded } from '@ashlar/payments/contract'
import type { Envelope } from '@ashlar/platform/events'
import { keepContact } from '../application/commands/keep-contact.ts'
import type { Notice } from '../application/commands/notify-user.ts'
import type { MailRequest } from '../application/commands/send-requested-mail.ts'
import type { Repositories } from '../application/ports.ts'
import { greetingName } from '../domain/greeting.ts'
import { mailDate } from '../domain/link.ts'

export type EventHandlers = {
  sendRequestedMail: (tx: Repositories, triggerId: string, request: MailRequest) => Promise<void>
  notifyUser: (tx: Repositories, notice: Notice) => Promise<void>
  publicUrl: string
}

type Handle = (event: Envelope, tx: Repositories) => Promise<void>

/**
 * What this service listens to. Links and codes have a subscription of their own: an event that cannot be handled
 * parks its subject, and whoever waits for a link must not wait behind it.
 */
export const notificationsSubscriptions = ({ sendRequestedMail, notifyUser, publicUrl }: EventHandlers) => {
  const payment = (template: Notice['template'], data: PaymentData, event: Envelope): Notice => ({
    triggerId: event.id,
    userId: data.userId,
    template,
    variables: {
      transactionId: data.transactionId,
      amount: data.amount,
      currency: data.currency,
      date: mailDate(data.timestamp),
    },
  })

  const handlers: Record<string, Handle> = {
    [userRegistered.type]: (event, tx) => keepContact(tx, userRegistered.read(event)),
    [userUpdated.type]: (event, tx) => keepContact(tx, userUpdated.read(event)),
    [userVerified.type]: async (event, tx) => {
      const user = userVerified.read(event)
      await keepContact(tx, user)
      const { userId, email, lastName } = user
      const variables = { email, lastName: greetingName(lastName), signInLink: publicUrl }
      await notifyUser(tx, { triggerId: event.id, userId, template: 'welcome', variables })
    },
    [refreshReused.type]: (event, tx) => {
      const { userId, timestamp, ipAddress } = refreshReused.read(event)
      const variables = { date: mailDate(timestamp), ipAddress }
      return notifyUser(tx, { triggerId: event.id, userId, template: 'security-alert', variables, urgent: true })
    },
    [paymentCreated.type]: (event, tx) =>
      notifyUser(tx, payment('payment-received', paymentCreated.read(event), event)),
    [paymentProcessed.type]: (event, tx) =>
      notifyUser(tx, payment('payment-confirmation', paymentProcessed.read(event), event)),
    [paymentRefunded.type]: (event, tx) =>
      notifyUser(tx, payment('payment-refunded', paymentRefunded.read(event), event)),
    [paymentFailed.type]: (event, tx) => {
      const data = paymentFailed.read(event)
      const notice = payment('payment-failed', data, event)
      // The template ends the sentence itself.
      const errorMessage = data.errorMessage.replace(/[\s.]+$/, '')
      return notifyUser(tx, { ...notice, variables: { ...notice.variables, errorMessage } })
    },
  }

  return {
    links: {
      name: 'notifications.links',
      types: [mailRequested.type] as readonly string[],
      handle: ((event, tx) => sendRequestedMail(tx, event.id, mailRequested.read(event))) satisfies Handle,
    },
    events: {
      name: 'notifications.events',
      types: Object.keys(handlers) as readonly string[],
      handle: (async (event, tx) => {
        await handlers[event.type]?.(event, tx)
      }) satisfies Handle,
    },
  }
}

type PaymentData = { transactionId: string; userId: string; amount: string; currency: string; timestamp: string }
