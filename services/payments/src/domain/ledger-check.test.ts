import fc from 'fast-check'
import { expect, test } from 'vitest'
import { postingsOf } from './ledger.ts'
import { type Booked, checkBooked, checkProvider, type ProviderRecord } from './ledger-check.ts'

const at = new Date('2026-01-01T00:00:00Z')
const T = 'transaction'
type Refunds = Booked['refunds']
type State = NonNullable<Booked['payment']>

/** A payment with what its ledger must say, made from what happened. */
const bookedOf = (
  minor: bigint,
  charged: 'provider' | 'by hand' | 'open' | 'failed' | 'no',
  refunds: Refunds,
): Booked => {
  const money = { minor, currency: 'EUR' }
  const sum = (status: string) =>
    refunds.reduce((total, refund) => (refund.status === status ? total + refund.money.minor : total), 0n)
  const refunded = sum('succeeded')
  const status: Record<typeof charged, State['status']> = {
    provider: refunded === 0n ? 'completed' : refunded === minor ? 'refunded' : 'partially_refunded',
    'by hand': 'completed',
    open: 'processing',
    failed: 'failed',
    no: 'pending',
  }
  const outcome = { provider: 'succeeded', open: null, failed: 'declined' } as const
  const moved = [
    ...(charged === 'provider' ? [{ id: 'charge', kind: 'charge' as const, money }] : []),
    ...(charged === 'by hand' ? [{ id: T, kind: 'bank_transfer' as const, money }] : []),
    ...refunds.flatMap((each) =>
      each.status === 'succeeded' ? [{ id: each.id, kind: 'refund' as const, money: each.money }] : [],
    ),
  ]
  return {
    transactionId: T,
    payment: {
      status: status[charged],
      method: charged === 'by hand' ? 'bank_transfer' : 'credit_card',
      money,
      refundedMinor: refunded,
      refundPendingMinor: sum('pending'),
    },
    charge:
      charged === 'no' || charged === 'by hand' ? undefined : { id: 'charge', outcome: outcome[charged], posted: true },
    refunds,
    postings: moved
      .flatMap((each) => postingsOf({ ...each, transactionId: T, at }))
      .map((leg) => ({ ...leg, intact: true })),
  }
}

const refunds: fc.Arbitrary<Refunds> = fc
  .array(
    fc.record({ status: fc.constantFrom('pending', 'succeeded', 'failed'), minor: fc.bigInt({ min: 1n, max: 100n }) }),
    { maxLength: 6 },
  )
  .map((list) =>
    list.map(({ status, minor }, index) => ({
      id: `refund ${index}`,
      status,
      money: { minor, currency: 'EUR' },
      posted: true,
    })),
  )
const sound: fc.Arbitrary<Booked> = fc.oneof(
  refunds.chain((list) =>
    fc.bigInt({ min: 600n, max: 999_999_999_999n }).map((minor) => bookedOf(minor, 'provider', list)),
  ),
  fc
    .tuple(fc.bigInt({ min: 1n, max: 999_999_999_999n }), fc.constantFrom('by hand', 'open', 'failed', 'no'))
    .map(([minor, charged]) => bookedOf(minor, charged, [])),
)
const charged = sound.filter(({ postings }) => postings.length > 0)

const recordsOf = ({ charge, refunds: list, payment }: Booked): ProviderRecord[] => [
  ...(charge?.outcome === 'succeeded' && payment
    ? [{ attemptId: charge.id, transactionId: T, kind: 'charge', money: payment.money, outcome: 'succeeded' } as const]
    : []),
  ...list.flatMap(({ id, status, money }): ProviderRecord[] =>
    status === 'succeeded' ? [{ attemptId: id, transactionId: T, kind: 'refund', money, outcome: 'succeeded' }] : [],
  ),
]

test('whatever happened to a payment, its own postings are found right', () => {
  fc.assert(
    fc.property(sound, (booked) => {
      expect(checkBooked(booked)).toBeUndefined()
      const records = recordsOf(booked)
      expect(checkProvider(booked, records, records)).toBeUndefined()
    }),
  )
})

type Leg = Booked['postings'][number]

/** What somebody with access to the table might do to a leg, or to all legs of its movement. */
const HARMS: Record<string, (legs: readonly Leg[], victim: Leg) => readonly Leg[]> = {
  'one leg gone': (legs, victim) => legs.filter((leg) => leg !== victim),
  'all legs gone': (legs, { movementId }) => legs.filter((leg) => leg.movementId !== movementId),
  'digest wrong': (legs, victim) => legs.map((leg) => (leg === victim ? { ...leg, intact: false } : leg)),
  'one leg changed': (legs, victim) =>
    legs.map((leg) => (leg === victim ? { ...leg, amountMinor: leg.amountMinor + 1n } : leg)),
  'changed in balance': (legs, { movementId }) =>
    legs.map((leg) => (leg.movementId === movementId ? { ...leg, amountMinor: leg.amountMinor * 2n } : leg)),
  'another currency': (legs, { movementId }) =>
    legs.map((leg) => (leg.movementId === movementId ? { ...leg, currency: 'JPY' } : leg)),
  'another account': (legs, victim) =>
    legs.map((leg) => (leg === victim ? { ...leg, account: leg.account === 'bank' ? 'refunds' : 'bank' } : leg)),
  'another kind': (legs, { movementId, kind }) =>
    legs.map((leg) =>
      leg.movementId === movementId ? { ...leg, kind: kind === 'refund' ? 'charge' : 'refund' } : leg,
    ),
  'a movement too many': (legs, { movementId }) => [
    ...legs,
    ...legs.filter((leg) => leg.movementId === movementId).map((leg) => ({ ...leg, movementId: 'nobody' })),
  ],
}

test.each(Object.keys(HARMS))('postings with %s are found', (name) => {
  fc.assert(
    fc.property(charged, fc.nat(), (booked, pick) => {
      const victim = booked.postings[pick % booked.postings.length]
      if (!victim) throw new Error('no posting')
      const postings = HARMS[name]?.(booked.postings, victim) ?? []
      expect(checkBooked({ ...booked, postings })).toMatchObject({ transactionId: T })
    }),
  )
})

test('a payment that was changed without its postings is found', () => {
  const changes: ((payment: State) => Partial<State>)[] = [
    ({ money }) => ({ money: { ...money, minor: money.minor + 1n } }),
    ({ money }) => ({ money: { ...money, currency: 'USD' } }),
    ({ refundedMinor }) => ({ refundedMinor: refundedMinor + 1n }),
    ({ refundPendingMinor }) => ({ refundPendingMinor: refundPendingMinor + 1n }),
    () => ({ status: 'pending' }),
  ]
  fc.assert(
    fc.property(charged, fc.constantFrom(...changes), (booked, alter) => {
      const payment = booked.payment && { ...booked.payment, ...alter(booked.payment) }
      expect(checkBooked({ ...booked, payment })).toMatchObject({ transactionId: T })
    }),
  )
  expect(checkBooked({ ...bookedOf(5n, 'no', []), payment: undefined })).toMatchObject({ reason: 'state_differs' })
})

test('a payment said to be completed without a charge is found, unless it is a bank transfer with its posting', () => {
  const byHand = bookedOf(5n, 'by hand', [])
  const card = { ...byHand, payment: byHand.payment && { ...byHand.payment, method: 'credit_card' as const } }
  expect(checkBooked(card)).toMatchObject({ reason: 'state_differs' })
  expect(checkBooked({ ...byHand, postings: [] })).toMatchObject({ reason: 'missing', movementId: T })
})

test('what an earlier release settled is not missed before it was posted', () => {
  const booked = bookedOf(5n, 'provider', [])
  const unposted = { ...booked, charge: booked.charge && { ...booked.charge, posted: false }, postings: [] }
  expect(checkBooked(unposted)).toBeUndefined()
  expect(checkBooked({ ...unposted, postings: booked.postings.slice(1) })).toMatchObject({ reason: 'unbalanced' })
})

const withRefund = bookedOf(600n, 'provider', [
  { id: 'refund', status: 'succeeded', money: { minor: 5n, currency: 'EUR' }, posted: true },
])

test.each(['charge', 'refund'])('a %s that the provider has not, or has otherwise, is found', (kind) => {
  const records = recordsOf(withRefund)
  const without = records.filter((record) => record.kind !== kind)
  const other = (change: Partial<ProviderRecord>) =>
    records.map((record) => (record.kind === kind ? { ...record, ...change } : record))
  for (const bad of [
    without,
    other({ money: { minor: 4n, currency: 'EUR' } }),
    other({ money: { minor: kind === 'charge' ? 600n : 5n, currency: 'USD' } }),
    other({ outcome: 'declined' }),
  ])
    expect(checkProvider(withRefund, bad, bad)).toMatchObject({ reason: 'provider_differs' })
  // It may have ended after the first look at the record.
  expect(checkProvider(withRefund, without, records)).toBeUndefined()
})

test('money that the provider moved and nobody here knows of is found; what is still open is not', () => {
  const taken: ProviderRecord = {
    attemptId: 'charge',
    transactionId: T,
    kind: 'charge',
    money: { minor: 600n, currency: 'EUR' },
    outcome: 'succeeded',
  }
  const judge = (booked: Booked, record = taken) => checkProvider(booked, [record], [record])
  expect(judge(bookedOf(600n, 'open', []))).toBeUndefined()
  expect(judge(bookedOf(600n, 'failed', []))).toMatchObject({ detail: expect.stringContaining('failed here') })
  expect(judge(bookedOf(600n, 'no', []))).toMatchObject({ detail: expect.stringContaining('not known here') })
  expect(judge(bookedOf(600n, 'open', []), { ...taken, attemptId: 'another' })).toMatchObject({ movementId: 'another' })
  expect(judge(bookedOf(600n, 'failed', []), { ...taken, outcome: 'voided' })).toBeUndefined()
})
