import { linksIn } from '../../domain/link.ts'
import type { Mailbox } from '../ports.ts'

/** What the mailbox keeps of a mail, sealed. */
export type StoredMail = {
  from: string
  to: string
  subject: string
  text: string
  html: string
  headers: Record<string, string>
}

export type MailboxMessage = StoredMail & {
  id: string
  notificationId: string
  template: string
  /** Addresses in the text, in order. */
  links: string[]
  /** How often a mailer was given this message; 1, or something is wrong. */
  handOvers: number
  /** RFC 3339, UTC. */
  sentAt: string
}

const MOST = 500

/** The messages of the development mailbox, newest first; `to` is one recipient's address, in any case. */
export const listMailbox =
  (deps: {
    mailbox: Pick<Mailbox, 'newest'>
    hashAddress: (address: string) => string
    open: (messageId: string, sealed: Buffer) => StoredMail
  }) =>
  async ({ to, limit = 50 }: { to?: string; limit?: number } = {}): Promise<{ data: MailboxMessage[] }> => {
    const rows = await deps.mailbox.newest({
      limit: Math.min(Math.max(1, Math.trunc(limit)), MOST),
      ...(to !== undefined && { toHash: deps.hashAddress(to) }),
    })
    return {
      data: rows.map((row) => {
        const mail = deps.open(row.messageId, row.sealed)
        return {
          id: row.id,
          notificationId: row.notificationId,
          template: row.template,
          to: mail.to,
          from: mail.from,
          subject: mail.subject,
          text: mail.text,
          html: mail.html,
          headers: mail.headers,
          links: linksIn(mail.text),
          handOvers: row.handOvers,
          sentAt: row.sentAt.toISOString(),
        }
      }),
    }
  }
