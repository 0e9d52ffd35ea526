import type { Outbox } from '@ashlar/platform/outbox'
import type { PlatformTx } from '@ashlar/platform/postgres'
import type { Attempt } from '../domain/attempt.ts'
import type { Movement } from '../domain/ledger.ts'
import type { Booked, IdRange } from '../domain/ledger-check.ts'
import type { Payment, PaymentMethod, PaymentStatus } from '../domain/payment.ts'
import type { Refund } from '../domain/refund.ts'
import type { AttemptKind } from './provider.ts'

/** What a unit of work may touch. One unit of work changes one payment, so that one document can hold it. */
export type PaymentTx = {
  payments: {
    insert(payment: Payment): Promise<void>
    /** Reads for change: nobody else changes this payment before the unit of work ends. */
    lock(transactionId: string): Promise<Payment | undefined>
    update(payment: Payment): Promise<void>
  }
  attempts: {
    insert(attempt: Attempt): Promise<void>
    ofPayment(transactionId: string): Promise<Attempt | undefined>
    settle(attempt: Attempt): Promise<void>
  }
  refunds: {
    insert(refund: Refund): Promise<void>
    get(transactionId: string, id: string): Promise<Refund | undefined>
    byRequest(transactionId: string, requestKey: string): Promise<Refund | undefined>
    settle(refund: Refund): Promise<void>
  }
  /** Provider tokens, sealed at rest; dropped once no charge can need them. */
  sources: {
    keep(transactionId: string, source: string): Promise<void>
    get(transactionId: string): Promise<string | undefined>
    drop(transactionId: string): Promise<void>
  }
  leases: {
    open(lease: NewLease): Promise<void>
    close(attemptId: string): Promise<void>
  }
  ledger: {
    /** Writes the postings of money that moved. Throws when they are there already, or do not balance. */
    post(movement: Movement): Promise<void>
  }
  providerEvents: {
    /** True the first time; false when the event was heard before. Waits for a unit of work that hears it now. */
    first(provider: string, eventId: string): Promise<boolean>
  }
  outbox: Pick<Outbox, 'append'>
  idempotency: PlatformTx['idempotency']
}

/** The right to call the provider for one attempt, until a moment of database time. */
export type NewLease = {
  attemptId: string
  kind: AttemptKind
  transactionId: string
  owner: string
  leaseMs: number
  requestId: string
  traceparent: string
}

export type Lease = Omit<NewLease, 'leaseMs'> & {
  /** How often the attempt was looked at, this time included. */
  looks: number
  /** Since the attempt began, by database time. */
  ageMs: number
}

export type PaymentFilter = {
  userId?: string
  status?: PaymentStatus
  method?: PaymentMethod
  currency?: string
  from?: Date
  to?: Date
  minMinor?: bigint
  maxMinor?: bigint
}
/** After which row a page begins: newest first, ties by id. */
export type Position = { createdAt: Date; id: string }
export type Page = { limit: number; after?: Position }

/**
 * Where payments live. `unitOfWork` commits state, events and idempotency key together or not at all, and
 * may run its closure again when another writer won, so a closure has no effect outside its `tx`. A refusal
 * that is returned commits; a throw stores nothing.
 */
export type PaymentStore = {
  unitOfWork<T>(work: (tx: PaymentTx) => Promise<T>): Promise<T>
  find(transactionId: string): Promise<Payment | undefined>
  findAttempt(transactionId: string): Promise<Attempt | undefined>
  findRefund(transactionId: string, id: string): Promise<Refund | undefined>
  source(transactionId: string): Promise<string | undefined>
  list(filter: PaymentFilter, page: Page): Promise<Payment[]>
  refundsOf(transactionId: string, page: Page): Promise<Refund[]>
  /** Whether an event of a provider was heard, and had its effect. */
  heard(provider: string, eventId: string): Promise<boolean>
  /** Posts up to `limit` movements that an earlier release settled without a ledger; answers how many. */
  postUnposted(limit: number): Promise<number>
  /** The id of the last of the next `limit` payments in the order of their ids; undefined where there are fewer. */
  pageEnd(after: string | undefined, limit: number): Promise<string | undefined>
  /** Payments with their movements and postings, in the order of their ids, as of one instant. */
  booked(range: IdRange): Promise<Booked[]>
  /** Takes attempts that nobody holds and whose next look is due. Two callers never get the same one. */
  claimDue(owner: string, leaseMs: number, limit: number): Promise<Lease[]>
  /** Gives a lease back until the next look. Without effect on one that another owner took or that is closed. */
  postpone(attemptId: string, owner: string, delayMs: number): Promise<void>
  /** Ends the leases of owners that are known dead, due at once. */
  forfeit(ownerAlive: (owner: string) => boolean): Promise<number>
  ping(): Promise<void>
  close(): Promise<void>
}
