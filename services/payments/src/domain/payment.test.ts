import { expect, test } from 'vitest'
import { canMove, change, newPayment, PAYMENT_STATUSES } from './payment.ts'

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

test('the states move as specified and in no other way', () => {
  const moves = PAYMENT_STATUSES.flatMap((from) =>
    PAYMENT_STATUSES.filter((to) => canMove(from, to)).map((to) => `${from} → ${to}`),
  )
  expect(moves).toEqual([
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

test('each change raises the version by one and leaves the old version as it was', () => {
  const later = new Date(now.getTime() + 1)
  const next = change(pending, { status: 'processing', attempts: 1 }, later)
  expect(next).toEqual({ ...pending, status: 'processing', attempts: 1, version: 2, updatedAt: later })
  expect(pending.version).toBe(1)
})

test('a transition that the states do not have throws', () => {
  expect(() => change(pending, { status: 'completed' }, now)).toThrow('cannot go from pending to completed')
})
