import fc from 'fast-check'
import { expect, test } from 'vitest'
import { judge, type RefreshTokenState, slide } from './refresh-token.ts'

const at = (seconds: number): Date => new Date(seconds * 1000)
const GRACE_MS = 30_000

const fresh: RefreshTokenState = {
  expiresAt: at(1_000),
  consumedAt: null,
  successorUsed: false,
  sessionEnded: false,
  absoluteExpiresAt: at(5_000),
}
const consumed: RefreshTokenState = { ...fresh, consumedAt: at(100) }

test.each<[string, RefreshTokenState, number, string]>([
  ['the newest', fresh, 999, 'rotate'],
  ['the newest at its expiry', fresh, 1_000, 'expired'],
  ['the newest of an ended session', { ...fresh, sessionEnded: true }, 10, 'expired'],
  ['the newest after the absolute expiry', { ...fresh, expiresAt: at(9_000) }, 5_000, 'expired'],
  ['a consumed one at once', consumed, 100, 'replay'],
  ['a consumed one at the end of the grace', consumed, 130, 'replay'],
  ['a consumed one read by a clock that is behind', consumed, 99, 'replay'],
  ['a consumed one after the grace', consumed, 130.001, 'reused'],
  ['a consumed one whose successor was presented', { ...consumed, successorUsed: true }, 101, 'reused'],
  ['a consumed one in the grace of an ended session', { ...consumed, sessionEnded: true }, 101, 'expired'],
  ['a consumed one long after its own expiry', consumed, 4_999, 'reused'],
  ['a consumed one after the absolute expiry', consumed, 5_000, 'expired'],
])('%s', (_, token, nowSeconds, verdict) => {
  expect(judge(token, at(nowSeconds), GRACE_MS)).toBe(verdict)
})

test('a consumed token never rotates, and an unconsumed one is never told as reused', () => {
  const second = fc.integer({ min: 0, max: 10_000 }).map(at)
  const state = fc.record({
    expiresAt: second,
    consumedAt: fc.option(second),
    successorUsed: fc.boolean(),
    sessionEnded: fc.boolean(),
    absoluteExpiresAt: second,
  })
  fc.assert(
    fc.property(state, second, (token, now) => {
      const verdict = judge(token, now, GRACE_MS)
      if (token.consumedAt !== null) expect(verdict).not.toBe('rotate')
      else expect(['rotate', 'expired']).toContain(verdict)
      if (token.sessionEnded) expect(['expired', 'reused']).toContain(verdict)
    }),
  )
})

test('expiry slides, but not past the absolute one', () => {
  expect(slide(at(10), 100_000, at(5_000))).toEqual(at(110))
  expect(slide(at(4_990), 100_000, at(5_000))).toEqual(at(5_000))
})
