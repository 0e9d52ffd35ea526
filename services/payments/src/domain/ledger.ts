import type { Money } from '@ashlar/kernel'
import type { Attempt } from './attempt.ts'
import type { Payment } from './payment.ts'
import type { Refund } from './refund.ts'

/**
 * What the provider has of ours, what came to our bank account, what customers have paid us, and what we gave back.
 * Assets grow by debits, the income by credits.
 */
export type Account = 'provider_clearing' | 'bank' | 'customer_payments' | 'refunds'

/** Money that moved once. Its id is that of what moved it, so nothing can be posted twice. */
export type Movement = {
  readonly id: string
  readonly transactionId: string
  readonly kind: 'charge' | 'refund' | 'bank_transfer'
  readonly money: Money
  readonly at: Date
}

/** One leg of a movement. */
export type Posting = {
  readonly transactionId: string
  readonly movementId: string
  readonly kind: Movement['kind']
  readonly account: Account
  /** Debits are positive, credits negative: the legs of a movement sum to zero. */
  readonly amountMinor: bigint
  readonly currency: string
  readonly at: Date
}

const LEGS: Readonly<Record<Movement['kind'], { debit: Account; credit: Account }>> = {
  charge: { debit: 'provider_clearing', credit: 'customer_payments' },
  refund: { debit: 'refunds', credit: 'provider_clearing' },
  bank_transfer: { debit: 'bank', credit: 'customer_payments' },
}

type Leg = Pick<Posting, 'account' | 'amountMinor'>

export const legsOf = ({ kind, money }: Pick<Movement, 'kind' | 'money'>): readonly [Leg, Leg] => [
  { account: LEGS[kind].debit, amountMinor: money.minor },
  { account: LEGS[kind].credit, amountMinor: -money.minor },
]

export const postingsOf = (movement: Movement): Posting[] => {
  const { id, transactionId, kind, money, at } = movement
  return legsOf(movement).map((leg) => ({ transactionId, movementId: id, kind, ...leg, currency: money.currency, at }))
}

/** All that a posting says, in one form: what its digest is made of. A list of texts has only one as JSON. */
export const textOf = (posting: Posting): string =>
  JSON.stringify([
    posting.transactionId,
    posting.movementId,
    posting.kind,
    posting.account,
    posting.amountMinor.toString(),
    posting.currency,
    posting.at,
  ])

export const chargeMovement = (payment: Pick<Payment, 'money'>, attempt: Attempt & { settledAt: Date }): Movement => ({
  id: attempt.id,
  transactionId: attempt.transactionId,
  kind: 'charge',
  money: payment.money,
  at: attempt.settledAt,
})

export const refundMovement = (refund: Refund): Movement => ({
  id: refund.id,
  transactionId: refund.transactionId,
  kind: 'refund',
  money: refund.money,
  at: refund.updatedAt,
})

/** The payment itself stands for the transfer: there is no attempt at a provider. */
export const bankTransferMovement = ({ transactionId, money, updatedAt }: Payment): Movement => ({
  id: transactionId,
  transactionId,
  kind: 'bank_transfer',
  money,
  at: updatedAt,
})
