import type { NewId } from '@ashlar/kernel'
import type { Keyring } from '@ashlar/platform/keys'
import type { Mailbox, Mailer, OutgoingMail } from '../../application/ports.ts'
import type { StoredMail } from '../../application/queries/list-mailbox.ts'
import { refuseUnsafe } from './envelope.ts'

export type MailboxSeal = {
  seal(messageId: string, mail: StoredMail): Buffer
  open(messageId: string, sealed: Buffer): StoredMail
}

export const createMailboxSeal = (keys: Keyring): MailboxSeal => {
  const bound = (row: string) => ({ table: 'mailbox', column: 'sealed', row })
  return {
    seal: (messageId, mail) => keys.seal('mailbox', JSON.stringify(mail), bound(messageId)),
    open: (messageId, sealed) =>
      JSON.parse(keys.open('mailbox', sealed, bound(messageId)).toString('utf8')) as StoredMail,
  }
}

/**
 * The mailer of development: it stores what it is handed in this service's database, where `/dev/mailbox` shows it.
 * One row per Message-ID, with a count of hand-overs. It can be asked what it has, so nothing stays unknown.
 */
export const createMailboxMailer = (deps: {
  mailbox: Mailbox
  seal: MailboxSeal
  hashAddress: (address: string) => string
  newId: NewId
  ping: () => Promise<void>
}): Mailer => ({
  send: async (mail) => {
    const refused = refuseUnsafe(mail)
    if (refused) return refused
    const { messageId, notificationId, template } = mail
    await deps.mailbox.put({
      id: deps.newId(),
      messageId,
      notificationId,
      template,
      toHash: deps.hashAddress(mail.to),
      sealed: deps.seal.seal(messageId, stored(mail)),
    })
    return { outcome: 'accepted' }
  },
  find: (messageId) => deps.mailbox.has(messageId),
  verify: deps.ping,
  close: () => Promise.resolve(),
})

const stored = (mail: OutgoingMail): StoredMail => {
  const { name, address } = mail.from
  const from = name ? `${name} <${address}>` : address
  const own = Object.fromEntries(Object.entries(mail.headers).map(([key, value]) => [key.toLowerCase(), value]))
  return {
    from,
    to: mail.to,
    subject: mail.subject,
    text: mail.text,
    html: mail.html,
    headers: {
      ...own,
      'message-id': mail.messageId,
      date: mail.date.toUTCString(),
      from,
      to: mail.to,
      subject: mail.subject,
    },
  }
}
