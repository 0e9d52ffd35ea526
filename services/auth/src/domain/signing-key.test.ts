import { expect, test } from 'vitest'
import { hasRetired, planKey, publishedUntil } from './signing-key.ts'

const now = new Date('2026-11-21T12:00:00Z')
const after = (ms: number) => new Date(now.getTime() + ms)
const lifetimes = { overlapMs: 60_000, accessTokenMs: 900_000, skewMs: 5_000 }
const key = (notBefore: Date) => ({ kid: 'k', notBefore, createdAt: notBefore })

test('the first key signs at once, each other one after the overlap', () => {
  expect(planKey(undefined, now, lifetimes)).toEqual(now)
  expect(planKey(key(now), now, lifetimes)).toEqual(after(60_000))
})

test('keys that are made within one moment begin one after the other', () => {
  const first = planKey(key(now), now, lifetimes)
  expect(planKey(key(first), now, lifetimes)).toEqual(after(60_001))
})

test('a key is published until its last token is over, and its private part goes as soon as nobody signs with it', () => {
  expect(publishedUntil(now, lifetimes).getTime()).toBeGreaterThanOrEqual(after(905_000).getTime())
  expect([hasRetired(now, after(59_999)), hasRetired(now, after(60_000))]).toEqual([false, true])
})
