import { expect, test } from 'vitest'
import { createInFlight } from './in-flight.ts'
import type { Claim } from './ports.ts'

const claim = { id: 'a' } as Claim

test('a claim that is not answered yet counts as held', async () => {
  const inFlight = createInFlight()
  const answer = Promise.withResolvers<Claim[]>()
  const taking = inFlight.claim(() => answer.promise)
  expect(inFlight.knows('a')).toBe('held')
  answer.resolve([claim])
  await taking
  expect(inFlight.knows('a')).toBe('held')
  expect(inFlight.knows('b')).toBe('untouched')
})

test('what was given to the mailer and not recorded is told apart from what never was', async () => {
  const inFlight = createInFlight()
  await inFlight.claim(() => Promise.resolve([claim]))
  inFlight.end('a', false)
  expect(inFlight.knows('a')).toBe('untouched')

  await inFlight.claim(() => Promise.resolve([claim]))
  inFlight.handing('a')
  inFlight.end('a', false)
  expect(inFlight.knows('a')).toBe('handed')
  inFlight.forget('a')
  expect(inFlight.knows('a')).toBe('untouched')
})

test('a claim that fails holds nothing', async () => {
  const inFlight = createInFlight()
  await expect(inFlight.claim(() => Promise.reject(new Error('away')))).rejects.toThrow('away')
  expect(inFlight.knows('a')).toBe('untouched')
})
