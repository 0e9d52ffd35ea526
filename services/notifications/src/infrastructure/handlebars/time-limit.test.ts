import { expect, test } from 'vitest'
import { createTimeLimit } from './time-limit.ts'

test('work that does not end is ended by force, and the next one runs', () => {
  const within = createTimeLimit(50)
  const startedAt = performance.now()
  expect(() =>
    within(() => {
      for (;;);
    }),
  ).toThrow('timed out after 50ms')
  expect(performance.now() - startedAt).toBeLessThan(2_000)
  expect(within(() => 'next')).toBe('next')
})

test('an error of the work comes through as it is', () => {
  const error = new Error('own')
  expect(() =>
    createTimeLimit(50)(() => {
      throw error
    }),
  ).toThrow(error)
})
