export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/**
 * The one text of a JSON value: keys sorted by UTF-16 code unit, no white space, numbers as ECMAScript prints them
 * (RFC 8785). Keys whose value is undefined are left out. Lone surrogates come out escaped, so the text is always
 * valid UTF-8.
 */
export const canonicalJson = (value: unknown): string => {
  if (value === null || value === undefined) return 'null'
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return JSON.stringify(value)
    case 'number':
      if (!Number.isFinite(value)) throw new Error('A number that JSON cannot hold')
      return JSON.stringify(value)
    case 'object':
      return Array.isArray(value) ? `[${value.map(canonicalJson).join(',')}]` : canonicalObject(value)
    default:
      throw new Error(`JSON cannot hold a ${typeof value}`)
  }
}

const canonicalObject = (value: object): string => {
  let text = ''
  for (const key of Object.keys(value).sort()) {
    const item = (value as Record<string, unknown>)[key]
    if (item === undefined) continue
    text += `${text ? ',' : ''}${JSON.stringify(key)}:${canonicalJson(item)}`
  }
  return `{${text}}`
}

/**
 * Parses JSON without losing a digit: a number that a double cannot hold becomes `{"$number":"…"}` with its own
 * digits.
 */
export const parseExactJson = (text: string): Json =>
  JSON.parse(text, (_key: string, value: Json, context?: { source?: string }) =>
    typeof value === 'number' && context?.source !== undefined && !exact(value, context.source)
      ? { $number: context.source }
      : value
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
