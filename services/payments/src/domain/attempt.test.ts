import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Attempt, chooseSource, decideProcess, judgeAttempt, nextLookMs, settleCharge, VOIDED } from './attempt.ts'
import { change, newPayment, PAYMENT_STATUSES } from './payment.ts'

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
const processing = change(pending, { status: 'processing', attempts: 1 }, now)
const attempt: Attempt = {
  id: 'a',
  transactionId: 't',
  requestKey: 'mine',
  outcome: null,
  reference: null,
  startedAt: now,
  settledAt: null,
}
const patience = { callLimitMs: 10_000, voidGraceMs: 60_000, firstLookMs: 2_000, maxLookMs: 15_000 }

describe('a request to process', () => {
  test('starts only what is pending, joins what is under way, whatever its key', () => {
    expect(decideProcess(pending, undefined, 'any')).toBe('start')
    expect(decideProcess(processing, attempt, 'mine')).toBe('running')
    expect(decideProcess(processing, attempt, 'other')).toBe('running')
  })

  test('afterwards hears the end by the key that started it, and is refused by another', () => {
    for (const status of PAYMENT_STATUSES.filter((each) => each !== 'pending' && each !== 'processing')) {
      const ended = { ...processing, status }
      expect(decideProcess(ended, attempt, 'mine')).toBe('settled')
      expect(decideProcess(ended, attempt, 'other')).toBe('illegal')
      expect(decideProcess(ended, undefined, 'mine')).toBe('illegal')
    }
  })

  test('charges the source it brings before the one that was kept', () => {
    const accepts = (source: string) => source.startsWith('tok_')
    expect(chooseSource('tok_a', 'tok_b', accepts)).toEqual({ ok: true, value: 'tok_a' })
    expect(chooseSource(undefined, 'tok_b', accepts)).toEqual({ ok: true, value: 'tok_b' })
    expect(chooseSource('what', 'tok_b', accepts)).toEqual({ ok: false, error: 'source_unknown' })
    expect(chooseSource(undefined, undefined, accepts)).toEqual({ ok: false, error: 'source_required' })
  })
})

describe('a verdict', () => {
  test('completes, or fails with the reason', () => {
    expect(settleCharge(processing, { kind: 'succeeded', reference: 'r' }, now)).toMatchObject({
      status: 'completed',
      failure: null,
      version: 3,
    })
    const failure = { code: 'card_declined', message: 'Declined' }
    expect(settleCharge(processing, { kind: 'declined', failure }, now)).toMatchObject({ status: 'failed', failure })
    expect(settleCharge(processing, { kind: 'voided' }, now)).toMatchObject({ status: 'failed', failure: VOIDED })
  })
})

describe('an attempt without an end', () => {
  test('is settled by what the provider knows, at any age', () => {
    for (const found of ['succeeded', 'declined', 'voided'] as const)
      for (const ageMs of [0, 10_000_000]) expect(judgeAttempt(found, ageMs, patience)).toBe('settle')
  })

  test('is repeated while young and voided afterwards when the provider does not know it', () => {
    expect(judgeAttempt('not_found', 0, patience)).toBe('repeat')
    expect(judgeAttempt('not_found', 69_999, patience)).toBe('repeat')
    expect(judgeAttempt('not_found', 70_000, patience)).toBe('void')
  })

  test('is left alone while the provider does not answer, however old', () => {
    expect(judgeAttempt('unknown', 10_000_000, patience)).toBe('wait')
  })

  test('is looked at soon, then less often, and right when it may be voided', () => {
    expect(nextLookMs(0, 10_000, patience)).toBe(2_000)
    expect(nextLookMs(1, 12_000, patience)).toBe(4_000)
    expect(nextLookMs(30, 20_000, patience)).toBe(15_000)
    expect(nextLookMs(5, 69_000, patience)).toBe(1_001)
    expect(nextLookMs(5, 100_000, patience)).toBe(15_000)
  })

  test('is settled within five minutes of looks, whenever the provider answers', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 400_000 }), (answersFromMs) => {
        let ageMs = patience.callLimitMs + patience.firstLookMs
        for (let looks = 1; ageMs < answersFromMs + 300_000; looks++) {
          // The slowest look: the question takes the whole limit, and so does the repeat.
          const found = ageMs >= answersFromMs ? 'not_found' : 'unknown'
          if (judgeAttempt(found, ageMs, patience) === 'void') return true
          ageMs += 2 * patience.callLimitMs + nextLookMs(looks, ageMs, patience)
        }
        return false
      }),
    )
  })
})
