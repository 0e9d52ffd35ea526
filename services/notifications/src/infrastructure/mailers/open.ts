import { domainToASCII } from 'node:url'
import type { Mailer } from '../../application/ports.ts'
import { parseSender } from '../../domain/address.ts'
import type { NotificationsSettings } from '../../settings.ts'
import { createSmtpMailer } from './smtp.ts'

/** The mailer that the URL's scheme chooses. Throws for the mailbox in production: mails would reach nobody. */
export const openMailer = (settings: NotificationsSettings, environment: string, mailbox: () => Mailer): Mailer => {
  if (settings.mailUrl === 'mailbox:') {
    if (environment === 'production') throw new Error('ASHLAR_MAIL_URL: the mailbox is refused in production')
    return mailbox()
  }
  return createSmtpMailer({
    url: settings.mailUrl,
    maxConnections: settings.urgentSenders + settings.senders,
    connectTimeoutMs: settings.connectTimeoutMs,
    socketTimeoutMs: settings.socketTimeoutMs,
    sendTimeoutMs: settings.sendTimeoutMs,
  })
}

/** The sender of every mail and the domain of its Message-IDs, in ASCII. Throws on a setting that is no address. */
export const senderOf = (mailFrom: string): { from: { name: string; address: string }; messageIdDomain: string } => {
  const from = parseSender(mailFrom)
  if (!from) throw new Error('ASHLAR_MAIL_FROM is not one address')
  return { from, messageIdDomain: domainToASCII(from.address.slice(from.address.lastIndexOf('@') + 1)) }
}

/** A check whose answer is good for `keepMs`, so that who asks often does not knock at the mail server each time. */
export const rememberCheck = (check: () => Promise<void>, keepMs: number): (() => Promise<void>) => {
  let last: { at: number; answer: Promise<void> } | undefined
  return () => {
    const now = performance.now()
    if (!last || now - last.at > keepMs) last = { at: now, answer: check() }
    return last.answer
  }
}
