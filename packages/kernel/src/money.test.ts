import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CURRENCIES, exponentOf } from './currency.ts'
import { formatAmount, MAX_MINOR_UNITS, parseMoney } from './money.ts'

test('every amount survives the way to the wire and back', () => {
  const currency = fc.constantFrom(...CURRENCIES.keys())
  fc.assert(
    fc.property(currency, fc.bigInt({ min: 1n, max: MAX_MINOR_UNITS }), (code, minor) => {
      const money = { minor, currency: code }
      expect(parseMoney(formatAmount(money), code)).toEqual({ ok: true, value: money })
    }),
  )
})

test.each([
  ['1.5', 'EUR', 'amount_malformed'],
  ['01.00', 'EUR', 'amount_malformed'],
  ['+1.00', 'EUR', 'amount_malformed'],
  ['1e2', 'EUR', 'amount_malformed'],
  ['1.00', 'JPY', 'amount_malformed'],
  ['1.000', 'EUR', 'amount_malformed'],
  ['.50', 'EUR', 'amount_malformed'],
  ['0.00', 'EUR', 'amount_out_of_range'],
  ['10000000000.00', 'EUR', 'amount_out_of_range'],
  ['1.00', 'eur', 'currency_unknown'],
  ['1', 'XAU', 'currency_unknown'],
])('%s %s is refused as %s', (amount, currency, code) => {
  expect(parseMoney(amount, currency)).toEqual({ ok: false, error: code })
})

test.each([
  ['0.50', 'EUR', 50n],
  ['9999999999.99', 'USD', MAX_MINOR_UNITS],
  ['1.234', 'KWD', 1234n],
  ['1.2345', 'CLF', 12345n],
  ['7', 'JPY', 7n],
])('%s %s is read exactly', (amount, currency, minor) => {
  expect(parseMoney(amount, currency)).toEqual({ ok: true, value: { minor, currency } })
})

test('the exponents that are most often got wrong', () => {
  const expected = { ISK: 0, UGX: 0, HUF: 2, MGA: 2, MRU: 2, IQD: 3, TND: 3, UYW: 4 }
  for (const [code, exponent] of Object.entries(expected)) expect(exponentOf(code)).toBe(exponent)
})
