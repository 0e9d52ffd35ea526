import { formatAmount, type Money } from '@ashlar/kernel'

export type PaymentMethod = 'credit_card' | 'debit_card' | 'paypal' | 'bank_transfer'

export const PAYMENT_STATUSES = [
  'pending',
  'processing',
  'completed',
  'failed',
  'canceled',
  'partially_refunded',
  'refunded',
] as const
export type PaymentStatus = (typeof PAYMENT_STATUSES)[number]

export type Failure = { readonly code: string; readonly message: string }

export type Payment = {
  readonly transactionId: string
  readonly userId: string
  readonly money: Money
  readonly method: PaymentMethod
  readonly status: PaymentStatus
  /** Minor units that refunds have given back. */
  readonly refundedMinor: bigint
  /** Minor units that refunds still under way hold; they count against what is left until they end. */
  readonly refundPendingMinor: bigint
  readonly description: string | null
  readonly metadata: Readonly<Record<string, unknown>>
  readonly failure: Failure | null
  /** How many charges were started at the provider. */
  readonly attempts: number
  /** Raised by one with each change; the sequence of the events. */
  readonly version: number
  readonly createdAt: Date
  readonly updatedAt: Date
}

const NEXT: Readonly<Record<PaymentStatus, readonly PaymentStatus[]>> = {
  pending: ['processing', 'canceled', 'completed'],
  processing: ['completed', 'failed'],
  completed: ['partially_refunded', 'refunded'],
  partially_refunded: ['partially_refunded', 'refunded'],
  refunded: [],
  failed: [],
  canceled: [],
}

/** Money that no provider moved is only ever that of a bank transfer: everything else is charged before it completes. */
export const canMove = (from: PaymentStatus, to: PaymentStatus, method: PaymentMethod): boolean =>
  NEXT[from].includes(to) && (from !== 'pending' || to !== 'completed' || method === 'bank_transfer')

export type Changes = Partial<Pick<Payment, 'status' | 'refundedMinor' | 'refundPendingMinor' | 'failure' | 'attempts'>>

/**
 * The next version of a payment. Throws on a transition that the states do not have: callers decide
 * before they change, so that is a defect and must roll back.
 */
export const change = (payment: Payment, changes: Changes, now: Date): Payment => {
  if (changes.status && changes.status !== payment.status && !canMove(payment.status, changes.status, payment.method))
    throw new Error(`payment ${payment.transactionId} cannot go from ${payment.status} to ${changes.status}`)
  return { ...payment, ...changes, version: payment.version + 1, updatedAt: now }
}

export type NewPayment = Pick<Payment, 'transactionId' | 'userId' | 'money' | 'method' | 'description' | 'metadata'>

export const newPayment = (input: NewPayment, now: Date): Payment => ({
  ...input,
  status: 'pending',
  refundedMinor: 0n,
  refundPendingMinor: 0n,
  failure: null,
  attempts: 0,
  version: 1,
  createdAt: now,
  updatedAt: now,
})

export const amountOf = (payment: Payment): string => formatAmount(payment.money)
