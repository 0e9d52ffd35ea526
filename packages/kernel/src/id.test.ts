import { expect, test } from 'vitest'
import { isUuid, uuidv7 } from './id.ts'

test('an id carries its millisecond, version 7 and the variant', () => {
  const id = uuidv7(0x0193_0000_0001, new Uint8Array(10).fill(0xff))
  expect(id).toBe('01930000-0001-7fff-bfff-ffffffffffff')
  expect(isUuid(id)).toBe(true)
})

test('ids sort by the time they were made', () => {
  expect(uuidv7(1_000) < uuidv7(2_000)).toBe(true)
})

test('what is not a canonical UUID is refused', () => {
  for (const text of ['', 'x', '01930000-0001-7FFF-bfff-ffffffffffff', `${uuidv7()}\n`])
    expect(isUuid(text)).toBe(false)
})
