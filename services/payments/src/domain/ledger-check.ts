import type { Money } from '@ashlar/kernel'
import type { Attempt } from './attempt.ts'
import { type Account, legsOf, type Movement, type Posting } from './ledger.ts'
import type { Payment } from './payment.ts'
import type { Refund } from './refund.ts'

/** Ids of payments: after the first, up to and with the last; open where undefined. */
export type IdRange = { after: string | undefined; upTo: string | undefined }

/** One payment as the store has it at one instant, with all that the ledger says about it. */
export type Booked = {
  readonly transactionId: string
  /** Undefined for postings of a payment that is not there. */
  readonly payment: Pick<Payment, 'status' | 'method' | 'money' | 'refundedMinor' | 'refundPendingMinor'> | undefined
  readonly charge: (Pick<Attempt, 'id' | 'outcome'> & { readonly posted: boolean }) | undefined
  readonly refunds: readonly (Pick<Refund, 'id' | 'status' | 'money'> & { readonly posted: boolean })[]
  /** `intact`: the digest is that of what the posting says. */
  readonly postings: readonly (Posting & { readonly intact: boolean })[]
}

/** What a provider says that it did. */
export type ProviderRecord = {
  readonly attemptId: string
  readonly transactionId: string
  readonly kind: 'charge' | 'refund'
  readonly money: Money
  readonly outcome: 'succeeded' | 'declined' | 'voided'
}

export type Finding = {
  readonly transactionId: string
  readonly movementId: string | null
  readonly account: Account | null
  /**
   * `altered`: a posting is not what was written. `unbalanced`: the legs of a movement do not sum to zero. `missing`,
   * `surplus`: a movement without its postings, postings without a movement. `state_differs`: payment, charge and
   * refunds contradict each other or the postings. `provider_differs`: the provider's record says otherwise.
   */
  readonly reason: 'altered' | 'unbalanced' | 'missing' | 'surplus' | 'state_differs' | 'provider_differs'
  readonly detail: string
}

type Expected = Omit<Movement, 'at'> & { readonly posted: boolean }

const CHARGED: ReadonlySet<Payment['status']> = new Set(['completed', 'partially_refunded', 'refunded'])

/** The movements that the state of a payment tells of. */
const movementsOf = ({ transactionId, payment, charge, refunds }: Booked): Expected[] => {
  if (!payment) return []
  const expected: Expected[] = []
  const { money } = payment
  if (charge?.outcome === 'succeeded')
    expected.push({ id: charge.id, transactionId, kind: 'charge', money, posted: charge.posted })
  else if (CHARGED.has(payment.status))
    expected.push({ id: transactionId, transactionId, kind: 'bank_transfer', money, posted: true })
  for (const refund of refunds)
    if (refund.status === 'succeeded')
      expected.push({ id: refund.id, transactionId, kind: 'refund', money: refund.money, posted: refund.posted })
  return expected
}

/** Whether payment, charge and refunds tell one story. */
const contradiction = ({ payment, charge, refunds }: Booked): string | undefined => {
  if (!payment) return 'the payment is not there'
  const charged = CHARGED.has(payment.status)
  const succeeded = charge?.outcome === 'succeeded'
  if (succeeded && !charged) return `the charge succeeded, and the payment is ${payment.status}`
  if (charged && !succeeded && payment.method !== 'bank_transfer')
    return `the payment is ${payment.status} without a charge that succeeded`
  const sum = (status: Refund['status']): bigint =>
    refunds.reduce((total, refund) => (refund.status === status ? total + refund.money.minor : total), 0n)
  if (sum('succeeded') !== payment.refundedMinor) return 'its refunds are not what it says was refunded'
  if (sum('pending') !== payment.refundPendingMinor) return 'its open refunds are not what it says is set aside'
  if (refunds.some(({ money }) => money.currency !== payment.money.currency)) return 'a refund has another currency'
  return undefined
}

/** The first thing that is wrong with the postings of one payment; undefined when all is well. */
export const checkBooked = (booked: Booked): Finding | undefined => {
  const { transactionId, postings } = booked
  const found = (reason: Finding['reason'], detail: string, about: Partial<Posting> = {}): Finding => ({
    transactionId,
    movementId: about.movementId ?? null,
    account: about.account ?? null,
    reason,
    detail,
  })

  for (const posting of postings)
    if (!posting.intact) return found('altered', 'the posting is not the one that was written', posting)
  const sums = new Map<string, bigint>()
  for (const { movementId, currency, amountMinor } of postings) {
    const key = `${movementId} ${currency}`
    sums.set(key, (sums.get(key) ?? 0n) + amountMinor)
  }
  for (const posting of postings)
    if (sums.get(`${posting.movementId} ${posting.currency}`) !== 0n)
      return found('unbalanced', 'the legs of the movement do not sum to zero', { movementId: posting.movementId })

  const contradicted = contradiction(booked)
  if (contradicted !== undefined) return found('state_differs', contradicted)

  const left = new Map(postings.map((posting) => [`${posting.movementId} ${posting.account}`, posting]))
  for (const movement of movementsOf(booked)) {
    // Settled by an earlier release since the ledger was last brought up to date: its turn comes.
    if (!movement.posted && !postings.some(({ movementId }) => movementId === movement.id)) continue
    for (const { account, amountMinor } of legsOf(movement)) {
      const key = `${movement.id} ${account}`
      const posting = left.get(key)
      const about = { movementId: movement.id, account }
      if (!posting) return found('missing', `the ${movement.kind} is not in the ledger`, about)
      if (
        posting.amountMinor !== amountMinor ||
        posting.currency !== movement.money.currency ||
        posting.kind !== movement.kind
      )
        return found('state_differs', `the posting is not what the ${movement.kind} says`, about)
      left.delete(key)
    }
  }
  for (const posting of left.values())
    return found('surplus', 'nothing that was settled is behind the posting', posting)
  return undefined
}

type Own = { money: Money; ended: 'succeeded' | 'otherwise' | undefined }

/**
 * Compares with the provider's record of the same payment. The record must have been read before the state: an
 * attempt is stored before the provider hears of it, so each record that was there has its attempt. What succeeded
 * here and is missing there may have come in between: `newest` is a record that was read after the state.
 */
export const checkProvider = (
  booked: Booked,
  before: readonly ProviderRecord[],
  newest: readonly ProviderRecord[],
): Finding | undefined => {
  const { transactionId, payment, charge, refunds } = booked
  const own = new Map<string, Own>()
  if (payment && charge) {
    const ended = charge.outcome === null ? undefined : charge.outcome === 'succeeded' ? 'succeeded' : 'otherwise'
    own.set(`charge ${charge.id}`, { money: payment.money, ended })
  }
  for (const { id, money, status } of refunds)
    own.set(`refund ${id}`, {
      money,
      ended: status === 'pending' ? undefined : status === 'succeeded' ? 'succeeded' : 'otherwise',
    })
  const found = (movementId: string, detail: string): Finding => ({
    transactionId,
    movementId,
    account: null,
    reason: 'provider_differs',
    detail,
  })

  for (const record of before) {
    if (record.outcome !== 'succeeded') continue
    const ours = own.get(`${record.kind} ${record.attemptId}`)
    if (!ours) return found(record.attemptId, `the provider booked a ${record.kind} that is not known here`)
    if (ours.ended === 'otherwise')
      return found(record.attemptId, `the provider booked a ${record.kind} that failed here`)
  }
  const recorded = new Map<string, ProviderRecord>(
    newest.flatMap((record) =>
      record.outcome === 'succeeded' ? [[`${record.kind} ${record.attemptId}`, record] as const] : [],
    ),
  )
  for (const [key, { money, ended }] of own) {
    if (ended !== 'succeeded') continue
    const [kind, id = ''] = key.split(' ')
    const record = recorded.get(key)
    if (!record) return found(id, `the provider has no record of this ${kind}`)
    if (record.money.minor !== money.minor || record.money.currency !== money.currency)
      return found(id, `the provider booked this ${kind} with another amount`)
  }
  return undefined
}
