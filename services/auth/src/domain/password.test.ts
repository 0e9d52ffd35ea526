import fc from 'fast-check'
import { expect, test } from 'vitest'
import { judgePassword } from './password.ts'

const rules = { minLength: 8, maxLength: 128 }
const ada = { email: 'ada.lovelace@example.test', firstName: 'Ada', lastName: 'Lovelace' }

test.each([
  ['1234567', ['too_short']],
  ['', ['too_short']],
  // Four characters, eight UTF-16 units.
  ['😀😀😀😀', ['too_short']],
  ['x'.repeat(129), ['too_long']],
  ['ada.lovelace@example.test', ['equals_email']],
  ['ADA.Lovelace', ['equals_email']],
  ['lovelace', ['equals_name']],
  ['Ada Lovelace', ['equals_name']],
  ['lovelace ada', ['equals_name']],
  ['Ada', ['too_short', 'equals_name']],
])('%j is refused: %j', (password, reasons) => {
  expect(judgePassword(password, ada, rules)).toEqual(reasons)
})

test.each(['12345678', 'x'.repeat(128), '😀'.repeat(128), 'lovelace-1843', '        '])(
  '%j may be used',
  (password) => {
    expect(judgePassword(password, ada, rules)).toEqual([])
  },
)

test('a person without names has no name to repeat', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 8, maxLength: 60 }), (password) => {
      const person = { email: 'q@example.test', firstName: null, lastName: null }
      expect(judgePassword(password, person, rules)).not.toContain('equals_name')
    }),
  )
})
