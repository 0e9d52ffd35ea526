import { expect, test } from 'vitest'
import { canMove, change, newPayment, PAYMENT_STATUSES, type PaymentMethod } from './payment.ts'

const now = new Date('2026-01-01T00:00:00Z')
const pending = newPayment(
  {
    transactionId: 't',
    userId: 'u',
    money: { minor: 100n, currency: 'EUR' },
    method: 'credit_card',
    description: null,
    metadata: {},
  },
  now,
)

const movesOf = (method: PaymentMethod): string[] =>
  PAYMENT_STATUSES.flatMap((from) =>
    PAYMENT_STATUSES.filter((to) => canMove(from, to, method)).map((to) => `${from} → ${to}`),
  )

test.each(['credit_card', 'debit_card', 'paypal'] as const)('the states of a %s payment', (method) => {
  expect(movesOf(method)).toEqual([
    'pending → processing',
    'pending → canceled',
    'processing → completed',
    'processing → failed',
    'completed → partially_refunded',
    'completed → refunded',
    'partially_refunded → partially_refunded',
    'partially_refunded → refunded',
  ])
})

test('a bank transfer alone may complete without a charge', () => {
  const more = movesOf('bank_transfer').filter((move) => !movesOf('credit_card').includes(move))
  expect(more).toEqual(['pending → completed'])
})

test('each change raises the version by one and leaves the old version as it was', () => {
  const later = new Date(now.getTime() + 1)
  const next = change(pending, { status: 'processing', attempts: 1 }, later)
  expect(next).toEqual({ ...pending, status: 'processing', attempts: 1, version: 2, updatedAt: later })
  expect(pending.version).toBe(1)
})

test('a transition that the states do not have throws', () => {
  expect(() => change(pending, { status: 'completed' }, now)).toThrow('cannot go from pending to completed')
})
