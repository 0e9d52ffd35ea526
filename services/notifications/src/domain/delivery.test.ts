import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type HandOver, judge, mayResend, obstacleTo, retryDelayMs } from './delivery.ts'

const DAY_MS = 86_400_000
const deferred: HandOver = { outcome: 'deferred', code: 'smtp_451' }

test('an outcome that is known is final, one that is not is never tried again', () => {
  expect(judge({ outcome: 'accepted' }, 1, DAY_MS, 0)).toEqual({ status: 'sent' })
  expect(judge({ outcome: 'refused', code: 'smtp_550' }, 1, DAY_MS, 0)).toEqual({
    status: 'failed',
    reason: 'smtp_550',
  })
  expect(judge({ outcome: 'unknown', code: 'cut' }, 1, DAY_MS, 0)).toEqual({ status: 'unknown', reason: 'cut' })
})

test('a deferred message is tried again with growing pauses until its deadline', () => {
  expect(judge(deferred, 1, DAY_MS, 0.5)).toEqual({ status: 'queued', reason: 'smtp_451', delayMs: 2_000 })
  expect(judge(deferred, 2, DAY_MS, 0.5)).toMatchObject({ delayMs: 8_000 })
  expect(judge(deferred, 3, 20_000, 0.5)).toEqual({ status: 'failed', reason: 'retries_exhausted' })
})

test('pauses stay between 1.5 s and 37.5 min', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500 }), fc.double({ min: 0, max: 0.999, noNaN: true }), (attempt, jitter) => {
      const delayMs = retryDelayMs(attempt, jitter)
      expect(delayMs).toBeGreaterThanOrEqual(1_500)
      expect(delayMs).toBeLessThanOrEqual(2_250_000)
    }),
  )
})

test('a claimed message goes out unless its person, its address or its time is gone', () => {
  const free = { attempt: 1, remainingMs: 1, waitedFor: null, addressSuppressed: false, recipientErased: false }
  expect(obstacleTo(free)).toBeUndefined()
  expect(obstacleTo({ ...free, recipientErased: true, addressSuppressed: true })).toMatchObject({
    reason: 'user_deleted',
  })
  expect(obstacleTo({ ...free, addressSuppressed: true })).toMatchObject({ reason: 'address_suppressed' })
  expect(obstacleTo({ ...free, remainingMs: 0 })).toEqual({ status: 'suppressed', reason: 'expired' })
  expect(obstacleTo({ ...free, remainingMs: 0, waitedFor: 'rate_limited' })).toEqual({
    status: 'suppressed',
    reason: 'rate_limited',
  })
  expect(obstacleTo({ ...free, remainingMs: 0, attempt: 2 })).toEqual({ status: 'failed', reason: 'retries_exhausted' })
})

test('only what failed or is unknown may be sent once more', () => {
  const all = ['queued', 'sending', 'sent', 'failed', 'suppressed', 'unknown'] as const
  expect(all.filter(mayResend)).toEqual(['failed', 'unknown'])
})
