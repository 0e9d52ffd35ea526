import { canonicalJson, formatAmount, type Money, parseMoney } from '@ashlar/kernel'
import type { PaymentOnTheWire, RefundOnTheWire } from '../contract.ts'
import { amountOf, type Payment } from '../domain/payment.ts'
import type { Refund } from '../domain/refund.ts'

export const paymentToWire = (value: Payment): PaymentOnTheWire => ({
  transactionId: value.transactionId,
  userId: value.userId,
  amount: amountOf(value),
  currency: value.money.currency,
  method: value.method,
  status: value.status,
  refundedAmount: formatAmount({ minor: value.refundedMinor, currency: value.money.currency }),
  description: value.description,
  metadata: inOneForm(value.metadata),
  failure: value.failure,
  attempts: value.attempts,
  version: value.version,
  createdAt: value.createdAt.toISOString(),
  updatedAt: value.updatedAt.toISOString(),
})

/** A store may keep keys in an order of its own: the same version shall be the same bytes, whoever it was read by. */
const inOneForm = (metadata: Payment['metadata']): Record<string, unknown> => JSON.parse(canonicalJson(metadata))

export const refundToWire = (value: Refund): RefundOnTheWire => ({
  id: value.id,
  transactionId: value.transactionId,
  amount: formatAmount(value.money),
  currency: value.money.currency,
  status: value.status,
  reason: value.reason,
  createdAt: value.createdAt.toISOString(),
})

/** For amounts that the contract has checked already. */
export const moneyOf = (amount: string, currency: string): Money => {
  const money = parseMoney(amount, currency)
  if (!money.ok) throw new Error(`the contract let an amount pass that is none: ${money.error}`)
  return money.value
}
export const minorOf = (amount: string | undefined, currency: string | undefined): bigint | undefined =>
  amount === undefined || currency === undefined ? undefined : moneyOf(amount, currency).minor

export const dateOf = (time: string | undefined): Date | undefined => (time === undefined ? undefined : new Date(time))
