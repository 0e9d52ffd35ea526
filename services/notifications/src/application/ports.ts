import type { HandOver, Status, Verdict } from '../domain/delivery.ts'
import type { RenderedMail, Template, Variables } from '../domain/template.ts'

/** A message as a mailer takes it: exactly one recipient, all texts final. */
export type OutgoingMail = RenderedMail & {
  notificationId: string
  template: string
  /** `<…@domain>`, the same at every attempt. */
  messageId: string
  from: { name: string; address: string }
  to: string
  /** Further headers by their names. */
  headers: Readonly<Record<string, string>>
  date: Date
}

export type Mailer = {
  /**
   * Hands the message over once. Whatever it is not sure about it answers as `unknown`; it does not retry by itself.
   * A throw counts as unknown as well.
   */
  send(mail: OutgoingMail): Promise<HandOver>
  /** Where it can be asked: whether a message of that id was ever taken. */
  find?(messageId: string): Promise<boolean>
  /** Throws while messages could not be handed over. */
  verify(): Promise<void>
  close(): Promise<void>
}

export type Renderer = {
  /** Throws where a template is unknown, lacks a variable, or exceeds its limits of time and size. */
  render(template: Template, variables: Variables): RenderedMail
}

/** What is kept, sealed, until a message is sent and for as long as its words may be looked up. */
export type Content = RenderedMail & { to: string }

export type NewNotification = {
  id: string
  triggerId: string
  template: string
  templateVersion: number
  userId: string | null
  recipient: string
  urgent: boolean
  messageId: string
  /** Seconds from now, at most the retry window. */
  deadlineSeconds: number
  requestId: string
  traceparent: string
}

export type Claim = {
  id: string
  template: string
  messageId: string
  attempt: number
  createdAt: Date
  /** Database time that is left; zero or less: the deadline has passed. */
  remainingMs: number
  requestId: string
  traceparent: string
}

export type OpenMessage = {
  id: string
  messageId: string
  attempts: number
  claimedBy: string | null
  overdue: boolean
}

export type Contact = { email: string | null; firstName: string | null; lastName: string | null }

export type NotificationRepository = {
  /** False when this trigger already made that message. */
  add(notification: NewNotification): Promise<boolean>
  /** Whether a look for work is worth a transaction. */
  hasDue(urgent: boolean): Promise<boolean>
  /** Takes up to `limit` due messages for `owner`, skipping those that others are taking. */
  claim(options: { owner: string; urgent: boolean; limit: number; leaseSeconds: number }): Promise<Claim[]>
  /** Records what became of a claim. False when the claim is no longer the owner's. */
  settle(id: string, owner: string, verdict: Verdict | { status: 'suppressed'; reason: string }): Promise<boolean>
  sending(): Promise<OpenMessage[]>
  /** Ends a claim that nobody works on. False when that attempt was settled meanwhile. */
  giveUp(lost: Pick<OpenMessage, 'id' | 'attempts'>, status: Extract<Status, 'unknown' | 'queued'>): Promise<boolean>
  /** Unknown ones, oldest first, that have been so for `quietMs`. */
  unknown(options: { quietMs: number; limit: number }): Promise<OpenMessage[]>
  /** Turns an unknown one into what was found out. False when there was another attempt meanwhile. */
  resolve(unknown: Pick<OpenMessage, 'id' | 'attempts'>, status: Extract<Status, 'sent' | 'queued'>): Promise<boolean>
}

export type ContentRepository = {
  put(notificationId: string, sealed: Buffer): Promise<void>
  get(notificationId: string): Promise<Buffer | undefined>
  /** Drops up to `limit` older than `days`; the number dropped. */
  dropOlderThan(days: number, limit: number): Promise<number>
}

export type ContactRepository = {
  find(userId: string): Promise<Contact | undefined>
  save(userId: string, contact: Contact): Promise<void>
}

export type MailboxRow = {
  id: string
  messageId: string
  notificationId: string
  template: string
  toHash: string
  sealed: Buffer
  handOvers: number
  sentAt: Date
}

export type MailboxRepository = {
  /** Stores a message, or counts one more hand-over of it. */
  put(row: Omit<MailboxRow, 'handOvers' | 'sentAt'>): Promise<void>
  dropOlderThan(days: number, limit: number): Promise<number>
}

export type MailboxReader = {
  has(messageId: string): Promise<boolean>
  newest(options: { toHash?: string; limit: number }): Promise<MailboxRow[]>
}

export type Repositories = {
  notifications: NotificationRepository
  contents: ContentRepository
  contacts: ContactRepository
  mailbox: MailboxRepository
}

/** Closes what a message says to everybody but this service, bound to its row. */
export type ContentSeal = {
  seal(notificationId: string, content: Content): Buffer
  /** Throws on another key or another row. */
  open(notificationId: string, sealed: Buffer): Content
  /** Keyed hash of an address: equal addresses are found again, none can be read. */
  hashAddress(address: string): string
}
