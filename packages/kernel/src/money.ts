import { type Currency, exponentOf, isCurrency } from './currency.ts'
import { err, ok, type Result } from './result.ts'

/** An exact amount: whole minor units of a currency (cents for EUR, yen for JPY, fils for KWD). Never a float. */
export type Money = { readonly minor: bigint; readonly currency: Currency }

/** The largest amount that one payment may have, in minor units. */
export const MAX_MINOR_UNITS = 999_999_999_999n

/**
 * Reads the wire form: a decimal string with exactly the currency's number of places, no sign, no
 * superfluous zero in front, above zero and at most MAX_MINOR_UNITS.
 */
export const parseMoney = (
  amount: string,
  currency: string,
): Result<Money, 'currency_unknown' | 'amount_malformed' | 'amount_out_of_range'> => {
  if (!isCurrency(currency)) return err('currency_unknown')
  const exponent = exponentOf(currency)
  const form = exponent === 0 ? /^(?:0|[1-9]\d*)$/ : new RegExp(`^(?:0|[1-9]\\d*)\\.\\d{${exponent}}$`)
  if (amount.length > 32 || !form.test(amount)) return err('amount_malformed')
  const minor = BigInt(amount.replace('.', ''))
  if (minor <= 0n || minor > MAX_MINOR_UNITS) return err('amount_out_of_range')
  return ok({ minor, currency })
}

/** The wire form of an amount: the inverse of `parseMoney`, and defined for zero too. */
export const formatAmount = ({ minor, currency }: Money): string => {
  const exponent = exponentOf(currency)
  if (exponent === 0) return minor.toString()
  const digits = minor.toString().padStart(exponent + 1, '0')
  return `${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`
}
