import { expect, test } from 'vitest'
import { childTraceparent, newTraceparent, parseTraceparent, traceIdOf } from './trace.ts'

const EXAMPLE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

test('the example of the recommendation is read', () => {
  expect(parseTraceparent(EXAMPLE)).toEqual({
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    spanId: '00f067aa0ba902b7',
    sampled: true,
  })
})

test('a child continues the trace and its sampling decision in a new span', () => {
  const unsampled = EXAMPLE.replace(/01$/, '00')
  expect(childTraceparent(unsampled)).toMatch(/^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-00$/)
  expect(childTraceparent(unsampled)).not.toContain('00f067aa0ba902b7')
})

test('a future version with more fields is continued', () => {
  expect(traceIdOf(`cc${EXAMPLE.slice(2)}-what-comes`)).toBe('4bf92f3577b34da6a3ce929d0e0e4736')
})

test.each([
  ['empty', ''],
  ['upper case', EXAMPLE.toUpperCase()],
  ['version ff', `ff${EXAMPLE.slice(2)}`],
  ['a tail in version 00', `${EXAMPLE}-x`],
  ['trace id of zeros', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`],
  ['span id of zeros', `00-4bf92f3577b34da6a3ce929d0e0e4736-${'0'.repeat(16)}-01`],
  ['very long', `01${EXAMPLE.slice(2)}-${'x'.repeat(1000)}`],
])('%s is not a trace: a new one begins', (_, text) => {
  expect(parseTraceparent(text)).toBeUndefined()
  expect(traceIdOf(text)).toBe('')
  expect(parseTraceparent(childTraceparent(text))).toBeDefined()
})

test('new traces are distinct', () => {
  expect(traceIdOf(newTraceparent())).not.toBe(traceIdOf(newTraceparent()))
})
