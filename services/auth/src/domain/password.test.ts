import fc from 'fast-check'
import { expect, test } from 'vitest'
import { judgePassword, type PasswordRules } from './password.ts'

const rules: PasswordRules = { minLength: 8, maxLength: 128, classes: [] }
const ada = { email: 'ada.lovelace@engines.example.test', firstName: 'Ada', lastName: 'King-Lovelace' }

test.each([
  ['1234567', ['too_short']],
  ['', ['too_short']],
  // Four characters, eight UTF-16 units.
  ['😀😀😀😀', ['too_short']],
  // Seven characters, each typed as a letter and a combining mark.
  ['e\u0301'.repeat(7), ['too_short']],
  ['x'.repeat(129), ['too_long']],
  [`lonely\ud800surrogate`, ['malformed']],
])('%j is refused: %j', (password, reasons) => {
  expect(judgePassword(password, ada, rules)).toEqual(reasons)
})

test.each([
  ['ada.lovelace@engines.example.test', 'contains_email'],
  ['ADA.Lovelace', 'contains_email'],
  ['ada.lovelace-in-1843', 'contains_email'],
  ['my Ada.Lovelace @ Engines.Example.Test!', 'contains_email'],
  // A part of the address alone.
  ['ada.love', 'contains_email'],
  ['engines-42', 'contains_email'],
  ['xx-Example', 'contains_email'],
  ['lovelace', 'contains_name'],
  ['Ada King Lovelace', 'contains_name'],
  ['king-lovelace ada', 'contains_name'],
  ['KING-King-king', 'contains_name'],
  // Full-width letters fold to the same word.
  ['ｌｏｖｅｌａｃｅ', 'contains_name'],
  ['the countess of lovelace', 'contains_name'],
])('%j repeats the person: %s', (password, reason) => {
  expect(judgePassword(password, ada, rules)).toContain(reason)
})

test.each([
  '12345678',
  'x'.repeat(128),
  '😀'.repeat(128),
  '        ',
  // Short words of hers, with a password of its own around them.
  'the king of infinite space',
  'an example to others',
  'adamantine',
  // The top level of a domain is nobody's.
  'contested',
])('%j may be used', (password) => {
  expect(judgePassword(password, ada, rules)).toEqual([])
})

test('a person without names has none to repeat', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 8, maxLength: 60 }), (password) => {
      const person = { email: 'q@example.test', firstName: null, lastName: null }
      expect(judgePassword(password, person, rules)).not.toContain('contains_name')
    }),
  )
})

test('whatever is typed, judging it ends, and what repeats the whole address is refused', () => {
  const units = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 40 })
  fc.assert(
    fc.property(units, units, (before, after) => {
      const password = `${String.fromCharCode(...before)}${ada.email}${String.fromCharCode(...after)}`
      const reasons = judgePassword(password, ada, rules)
      // A combining mark at the seam makes another letter of the last one.
      if (!/^\p{M}/u.test(String.fromCharCode(...after))) expect(reasons.length).toBeGreaterThan(0)
    }),
  )
})

test.each([
  [['lower', 'upper', 'digit', 'symbol'] as const, 'Aa1!Aa1!', []],
  [['lower', 'upper', 'digit', 'symbol'] as const, '        ', ['lacks_lower', 'lacks_upper', 'lacks_digit']],
  [['symbol'] as const, 'no symbols here'.replaceAll(' ', ''), ['lacks_symbol']],
  [['upper'] as const, 'ÜBERGRÖSSE'.toLowerCase(), ['lacks_upper']],
])('of the classes %j, %j has all but %j', (classes, password, reasons) => {
  expect(judgePassword(password, ada, { ...rules, classes })).toEqual(reasons)
})
