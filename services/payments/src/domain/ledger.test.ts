import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Movement, type Posting, postingsOf, textOf } from './ledger.ts'

const movement: fc.Arbitrary<Movement> = fc.record({
  id: fc.uuid(),
  transactionId: fc.uuid(),
  kind: fc.constantFrom('charge', 'refund', 'bank_transfer'),
  money: fc.record({
    minor: fc.bigInt({ min: 1n, max: 999_999_999_999n }),
    currency: fc.constantFrom('EUR', 'JPY', 'KWD', 'CLF'),
  }),
  at: fc.date({ noInvalidDate: true }),
})

test('the two legs of every movement sum to zero in its currency, and are all of its amount', () => {
  fc.assert(
    fc.property(movement, (moved) => {
      const postings = postingsOf(moved)
      expect(postings.reduce((sum, { amountMinor }) => sum + amountMinor, 0n)).toBe(0n)
      expect(postings.map(({ amountMinor }) => amountMinor)).toEqual([moved.money.minor, -moved.money.minor])
      expect(new Set(postings.map(({ account }) => account)).size).toBe(2)
      for (const posting of postings)
        expect(posting).toMatchObject({
          transactionId: moved.transactionId,
          movementId: moved.id,
          currency: moved.money.currency,
          at: moved.at,
        })
    }),
  )
})

test('what the provider holds is what was charged less what was refunded, whatever happened', () => {
  fc.assert(
    fc.property(fc.array(movement, { maxLength: 30 }), (movements) => {
      const sum = (wanted: (posting: Posting) => boolean): bigint =>
        movements
          .flatMap(postingsOf)
          .filter(wanted)
          .reduce((total, { amountMinor }) => total + amountMinor, 0n)
      const moved = (kind: Movement['kind'], currency: string): bigint =>
        movements
          .filter((each) => each.kind === kind && each.money.currency === currency)
          .reduce((total, { money }) => total + money.minor, 0n)
      for (const currency of ['EUR', 'JPY', 'KWD', 'CLF']) {
        const of = (account: string) => sum((posting) => posting.account === account && posting.currency === currency)
        expect(of('provider_clearing')).toBe(moved('charge', currency) - moved('refund', currency))
        expect(of('bank')).toBe(moved('bank_transfer', currency))
        expect(of('refunds')).toBe(moved('refund', currency))
        expect(of('customer_payments')).toBe(-moved('charge', currency) - moved('bank_transfer', currency))
        expect(sum((posting) => posting.currency === currency)).toBe(0n)
      }
    }),
  )
})

test('two postings that differ in anything have different texts', () => {
  const leg = movement.map((moved) => postingsOf(moved)[0] as Posting)
  fc.assert(
    fc.property(leg, leg, fc.constantFrom(...FIELDS), (one, other, field) => {
      const altered = { ...one, [field]: other[field] }
      const same = String(altered[field]) === String(one[field]) && Number(altered.at) === Number(one.at)
      expect(textOf(altered) === textOf(one)).toBe(same)
    }),
  )
})

const FIELDS = ['transactionId', 'movementId', 'kind', 'account', 'amountMinor', 'currency', 'at'] as const
