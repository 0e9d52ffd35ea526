import type { Json } from '@ashlar/kernel'

/**
 * Parses JSON without losing a digit: a number that a double cannot hold becomes `{"$number":"…"}` with its own
 * digits.
 */
export const parseExactJson = (text: string): Json =>
  JSON.parse(text, (_key: string, value: Json, context?: { source?: string }) =>
    typeof value === 'number' && context?.source !== undefined && !exact(value, context.source)
      ? { $number: context.source }
      : value,
  ) as Json

const exact = (value: number, source: string): boolean =>
  Number.isFinite(value) && decimal(String(value)) === decimal(source)

/** Digits and exponent without superfluous zeros, so that 1.50, 15e-1 and 1.5 agree. */
const decimal = (text: string): string => {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]?\d+))?$/i.exec(text)
  if (!match) return text
  const fraction = match[3] ?? ''
  const digits = `${match[2]}${fraction}`.replace(/^0+/, '')
  const trimmed = digits.replace(/0+$/, '')
  if (trimmed === '') return '0'
  const exponent = Number(match[4] ?? 0) - fraction.length + (digits.length - trimmed.length)
  return `${match[1]}${trimmed}e${exponent}`
}
