import type { HandOver, Status, Verdict } from '../domain/delivery.ts'
import type { RenderedMail, Template, TemplateNeeds, TemplateTexts, Variables } from '../domain/template.ts'
import type { RecordedStep } from '../domain/timeline.ts'

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
  /** Throws where the version is unknown, lacks a variable, or exceeds its limits of time and size. Never inside a transaction. */
  render(name: string, version: number, variables: Variables): Promise<RenderedMail>
}

/** One place of a template that cannot be used. */
export type TemplateFlaw = { field: keyof TemplateTexts; detail: string }

export type TemplateChecker = {
  /** What the texts need, or why they cannot be rendered. `needs`: the only variables there are, for a name that is filled by this service. */
  check(texts: TemplateTexts, needs?: TemplateNeeds): { flaws: TemplateFlaw[] } | { needs: TemplateNeeds }
}

/** What is kept, sealed, until a message is sent and for as long as its words may be looked up. */
export type Content = { to: string } & ({ variables: Variables } | RenderedMail)

/** A content as it is stored. `format` 1 holds rendered texts, as an earlier release wrote them; 2 holds variables. */
export type SealedContent = { sealed: Buffer; format: number }

export type NewNotification = {
  id: string
  triggerId: string
  template: string
  /** The newest one without it. */
  templateVersion: number | null
  userId: string | null
  recipient: string
  addressHash: string
  urgent: boolean
  messageId: string
  /** Seconds from now, at most the retry window. */
  deadlineSeconds: number
  expiresAt: Date | null
  requestId: string
  traceparent: string
  sealed: Buffer
}

/** One message per `seconds` and address and template, at most `waiting` in line; no rate where `seconds` is 0. */
export type Rate = { seconds: number; waiting: number }

export type Added = { outcome: 'queued' | 'duplicate' } | { outcome: 'suppressed'; reason: string }

export type Claim = {
  id: string
  template: string
  templateVersion: number
  messageId: string
  attempt: number
  createdAt: Date
  /** Database time that is left; zero or less: the deadline has passed. */
  remainingMs: number
  requestId: string
  traceparent: string
  waitedFor: string | null
  addressHash: string | null
  addressSuppressed: boolean
  recipientErased: boolean
  content: SealedContent | undefined
}

/** A due message whose address got one of that template too short a time ago. */
export type PutOff = { id: string; template: string; addressHash: string }

export type OpenMessage = {
  id: string
  messageId: string
  attempts: number
  claimedBy: string | null
  overdue: boolean
}

export type Contact = { email: string | null; firstName: string | null; lastName: string | null }

/** A message as it is told to people. */
export type MessageView = {
  id: string
  template: string
  templateVersion: number
  userId: string | null
  status: Status
  reason: string | null
  attempts: number
  createdAt: Date
  nextAttemptAt: Date
  claimedAt: Date | null
  settledAt: Date | null
  position: Position
  content: SealedContent | undefined
}

/** A place in a list, newest first. The time is the store's own text: as a Date it would lose its microseconds. */
export type Position = { createdAt: string; id: string }
export type Page = { limit: number; after: Position | undefined }

export type MessageFilter = {
  userId?: string
  /** Recipients as they are stored: `user:…` and `address:…`. */
  recipients?: readonly string[]
  status?: Status
  template?: string
  from?: Date
  to?: Date
}

export type NotificationRepository = {
  /** Writes a message down, once per trigger, recipient, channel and template: queued, waiting for its slot, or suppressed at once. */
  add(notification: NewNotification, rate: Rate): Promise<Added>
  /** Whether a look for work is worth a transaction. */
  hasDue(urgent: boolean): Promise<boolean>
  /**
   * Takes up to `limit` due messages for `owner`, skipping those that others are taking, and at most one of an address
   * and template within the rate; what is due besides is answered as put off, and still due.
   */
  claim(options: {
    owner: string
    urgent: boolean
    limit: number
    leaseSeconds: number
    rate: Rate
  }): Promise<{ claims: Claim[]; putOff: PutOff[] }>
  /** Gives each of them the next free slot of its address and template. */
  postpone(putOff: readonly PutOff[], rate: Rate): Promise<void>
  /** Records what became of a claim; `handedMsAgo` since the mailer was called. False when the claim is no longer the owner's. */
  settle(id: string, owner: string, verdict: Verdict, handedMsAgo: number | null): Promise<boolean>
  sending(): Promise<OpenMessage[]>
  /** Ends a claim that nobody works on. False when that attempt was settled meanwhile. */
  giveUp(lost: Pick<OpenMessage, 'id' | 'attempts'>, status: Extract<Status, 'unknown' | 'queued'>): Promise<boolean>
  /** Unknown ones, oldest first, that have been so for `quietMs`. */
  unknown(options: { quietMs: number; limit: number }): Promise<OpenMessage[]>
  /** Turns an unknown one into what was found out. False when there was another attempt meanwhile. */
  resolve(unknown: Pick<OpenMessage, 'id' | 'attempts'>, status: Extract<Status, 'sent' | 'queued'>): Promise<boolean>
  /** Suppresses what is queued for an address, or for a user; the number of messages. */
  suppressQueued(whose: { addressHash: string } | { userId: string }, reason: string): Promise<number>
  /** For a decision about sending it again. */
  lock(id: string): Promise<ResendState | undefined>
  /** Queues a message for one more round of tries. */
  requeue(id: string, deadlineSeconds: number): Promise<void>
}

export type ResendState = {
  status: Status
  hasContent: boolean
  expired: boolean
  addressSuppressed: boolean
  recipientErased: boolean
}

export type NotificationReader = {
  find(id: string): Promise<{ message: MessageView; steps: RecordedStep[] } | undefined>
  list(filter: MessageFilter, page: Page): Promise<MessageView[]>
  counts(range: { from: Date; to: Date }): Promise<CountedGroup[]>
  /** Seconds from queued to sent, at each of the shares (0–1); null where nothing was sent. */
  latencies(range: { from: Date; to: Date }, shares: readonly number[]): Promise<(number | null)[]>
  /** Seconds since the oldest due message was due; 0 where none is. */
  queueAges(): Promise<{ urgent: number; normal: number }>
  /** Ids of the users whose address that is. */
  usersOf(email: string): Promise<string[]>
}

/** Messages of one status; `template` and `day` are null where all are counted together. */
export type CountedGroup = { status: Status; template: string | null; day: string | null; count: number }

export type ContentRepository = {
  /** Drops up to `limit` older than `days`; the number dropped. */
  dropOlderThan(days: number, limit: number): Promise<number>
}

export type ContactRepository = {
  find(userId: string): Promise<Contact | undefined>
  /** Does not bring back a person who was erased. */
  save(userId: string, contact: Contact): Promise<void>
  /** The user whose address that is, if one is known. */
  userOf(email: string): Promise<string | undefined>
  /** Leaves the bare id, by which later events know that nothing is sent. Answers the address that was known. */
  erase(userId: string): Promise<string | undefined>
}

export type StoredTemplate = Template & { createdAt: Date }

export type TemplateRepository = {
  /** What the newest version of a name asks for. */
  latestNeeds(name: string): Promise<{ version: number; needs: TemplateNeeds } | undefined>
  /** The newest version of a name, locked against other writers of that name until the transaction ends. */
  lockLatest(name: string): Promise<StoredTemplate | undefined>
  add(template: Template): Promise<StoredTemplate>
  /** Whether a release ever brought that text. */
  hasBuiltIn(name: string, texts: TemplateTexts): Promise<boolean>
}

export type TemplateReader = {
  find(name: string, version?: number): Promise<StoredTemplate | undefined>
  /** The newest version of each name, by name. */
  list(page: { limit: number; after: string | undefined }): Promise<StoredTemplate[]>
}

export type Suppression = {
  id: string
  sealed: Buffer | null
  source: 'bounce' | 'operator'
  createdAt: Date
  position: Position
}

export type SuppressionRepository = {
  /** Adds it, in the place of an earlier one of that address. */
  put(suppression: {
    id: string
    addressHash: string
    sealed: Buffer
    source: Suppression['source']
  }): Promise<Suppression>
  remove(addressHash: string): Promise<void>
}

export type SuppressionReader = {
  list(filter: { addressHash?: string }, page: Page): Promise<Suppression[]>
}

export type ErasureRepository = {
  /** Drops whatever else is kept of a user and his address: contents, slots, the mailbox, the words of a suppression. */
  forget(whose: { userId: string; addressHash: string | undefined }): Promise<void>
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

export type Mailbox = {
  /** Stores a message, or counts one more hand-over of it. */
  put(row: Omit<MailboxRow, 'handOvers' | 'sentAt'>): Promise<void>
  has(messageId: string): Promise<boolean>
  newest(options: { toHash?: string; limit: number }): Promise<MailboxRow[]>
}

export type MailboxRepository = {
  dropOlderThan(days: number, limit: number): Promise<number>
}

export type Repositories = {
  notifications: NotificationRepository
  contents: ContentRepository
  contacts: ContactRepository
  templates: TemplateRepository
  suppressions: SuppressionRepository
  erasure: ErasureRepository
  mailbox: MailboxRepository
}

/** Closes what a message says to everybody but this service, bound to its row. */
export type ContentSeal = {
  seal(notificationId: string, content: { to: string; variables: Variables }): Buffer
  /** Throws on another key or another row. */
  open(notificationId: string, content: SealedContent): Content
  sealSuppression(id: string, about: SuppressedAddress): Buffer
  openSuppression(id: string, sealed: Buffer): SuppressedAddress
  /** Keyed hash of an address: equal addresses are found again, none can be read. */
  hashAddress(address: string): string
}

export type SuppressedAddress = { address: string; reason: string | null }
