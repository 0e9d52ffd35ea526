import type { Json } from '@ashlar/kernel'

const DEEP = 200
const LONG = 1_048_576

/**
 * The value of a JSON column. One that is too deep or too long to be taken apart safely stays text, as
 * `{"$json":"…"}`.
 */
export const readJson = (text: string): Json =>
  text.length > LONG || nestsDeeper(text, DEEP) ? { $json: text } : parseExactJson(text)

/** True when arrays and objects nest deeper than `limit`; every function that walks a value would run out of stack. */
const nestsDeeper = (text: string, limit: number): boolean => {
  if (text.length <= 2 * limit) return false
  let depth = 0
  let inString = false
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at)
    if (inString) {
      if (code === 0x5c) at += 1
      else if (code === 0x22) inString = false
    } else if (code === 0x22) inString = true
    else if (code === 0x5b || code === 0x7b) {
      depth += 1
      if (depth > limit) return true
    } else if (code === 0x5d || code === 0x7d) depth -= 1
  }
  return false
}

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
