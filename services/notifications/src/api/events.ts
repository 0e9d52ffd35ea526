import {
  mailRequested,
  refreshReused,
  userActivated,
  userDeactivated,
  userDeleted,
  userPasswordChanged,
  userRegistered,
  userUpdated,
  userVerified,
} from '@ashlar/auth/contract'
import { paymentCreated, paymentFailed, paymentProcessed, paymentRefunded } from '@ashlar/payments/contract'
import type { Envelope } from '@ashlar/platform/events'
import { keepContact } from '../application/commands/keep-contact.ts'
import type { Notice } from '../application/commands/notify-user.ts'
import type { MailRequest } from '../application/commands/send-requested-mail.ts'
import type { Repositories } from '../application/ports.ts'
import { ALERTS, type Alert } from '../domain/alert.ts'
import { greetingName } from '../domain/greeting.ts'
import { mailDate } from '../domain/link.ts'

export type EventHandlers = {
  sendRequestedMail: (tx: Repositories, triggerId: string, request: MailRequest) => Promise<void>
  notifyUser: (tx: Repositories, notice: Notice) => Promise<void>
  eraseUser: (tx: Repositories, user: { userId: string }) => Promise<void>
}

type Handle = (event: Envelope, tx: Repositories) => Promise<void>

/**
 * What this service listens to, by the name of the subscription. Links and codes have one of their own: an event that
 * cannot be handled parks its subject, and whoever waits for a link must not wait behind it.
 */
export const notificationsHears = {
  'notifications.links': [mailRequested.type],
  'notifications.events': [
    userRegistered.type,
    userUpdated.type,
    userDeleted.type,
    userVerified.type,
    refreshReused.type,
    userPasswordChanged.type,
    userDeactivated.type,
    userActivated.type,
    paymentCreated.type,
    paymentProcessed.type,
    paymentRefunded.type,
    paymentFailed.type,
  ],
} as const

type Heard = (typeof notificationsHears)['notifications.events'][number]

/** The subscriptions with what is done about each event. */
export const notificationsSubscriptions = ({ sendRequestedMail, notifyUser, eraseUser }: EventHandlers) => {
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
  const alert = (words: Alert, { userId, timestamp, ipAddress = null }: AlertData, event: Envelope): Notice => ({
    triggerId: event.id,
    userId,
    template: 'security-alert',
    variables: { ...words, date: mailDate(timestamp), ipAddress },
  })

  const handlers: Record<Heard, Handle> = {
    [userRegistered.type]: (event, tx) => keepContact(tx, userRegistered.read(event)),
    [userUpdated.type]: (event, tx) => keepContact(tx, userUpdated.read(event)),
    [userDeleted.type]: (event, tx) => eraseUser(tx, userDeleted.read(event)),
    [userVerified.type]: async (event, tx) => {
      const user = userVerified.read(event)
      await keepContact(tx, user)
      const variables = { email: user.email, lastName: greetingName(user.lastName) }
      await notifyUser(tx, { triggerId: event.id, userId: user.userId, template: 'welcome', variables })
    },
    [refreshReused.type]: (event, tx) => notifyUser(tx, alert(ALERTS.refreshReused, refreshReused.read(event), event)),
    [userPasswordChanged.type]: (event, tx) =>
      notifyUser(tx, alert(ALERTS.passwordChanged, userPasswordChanged.read(event), event)),
    [userDeactivated.type]: (event, tx) =>
      notifyUser(tx, alert(ALERTS.deactivated, userDeactivated.read(event), event)),
    [userActivated.type]: (event, tx) => notifyUser(tx, alert(ALERTS.activated, userActivated.read(event), event)),
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
      types: notificationsHears['notifications.links'] as readonly string[],
      handle: ((event, tx) => sendRequestedMail(tx, event.id, mailRequested.read(event))) satisfies Handle,
    },
    events: {
      name: 'notifications.events',
      types: notificationsHears['notifications.events'] as readonly string[],
      handle: (async (event, tx) => {
        await handlers[event.type as Heard]?.(event, tx)
      }) satisfies Handle,
    },
  }
}

type PaymentData = { transactionId: string; userId: string; amount: string; currency: string; timestamp: string }
type AlertData = { userId: string; timestamp: string; ipAddress?: string | null }
