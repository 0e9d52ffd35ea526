export type Schema = {
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  format?: string
  pattern?: string
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
}

/** What no schema of a well-meaning client describes. */
export const NASTY: readonly unknown[] = [
  null,
  true,
  -1,
  0,
  1e308,
  '',
  ' ',
  '\u0000',
  '\ud800',
  '‮abc',
  "'; DROP TABLE users; --",
  '../../etc/passwd',
  '{{constructor.constructor("return process")()}}',
  '=HYPERLINK("http://example.com")',
  'a'.repeat(5_000),
  'x\r\nBcc: everybody@example.com',
  '99999999999999999999999999.99',
  '1e5',
  'ＮＦＫＣ',
  '2026-02-30T25:61:61Z',
  '00000000-0000-7000-8000-000000000000',
  [],
  {},
  [[[[[[]]]]]],
  { __proto__: null, constructor: { prototype: { admin: true } } },
  { a: { b: { c: { d: {} } } } },
]

const pick = <T>(chance: () => number, from: readonly T[]): T => from[Math.floor(chance() * from.length)] as T

const text = (schema: Schema, chance: () => number): string => {
  if (schema.format === 'uuid') return '01890000-0000-7000-8000-0000000000ff'
  if (schema.format === 'date-time') return '2026-01-01T00:00:00.000Z'
  if (schema.format === 'email') return 'fuzz@example.com'
  const plausible = [
    'fuzz@example.com',
    '10.00',
    'EUR',
    'tok_ok',
    'user',
    'orders:read',
    'welcome',
    'a long enough phrase',
  ]
  const chosen = pick(chance, plausible)
  return chosen.padEnd(schema.minLength ?? 0, 'x').slice(0, schema.maxLength ?? 200)
}

/** A value that a schema allows, as far as schemas without references go. */
export const valueFor = (schema: Schema, chance: () => number): unknown => {
  if (schema.const !== undefined) return schema.const
  if (schema.enum) return pick(chance, schema.enum)
  const choices = schema.anyOf ?? schema.oneOf
  if (choices) return valueFor(pick(chance, choices), chance)
  const type = Array.isArray(schema.type) ? pick(chance, schema.type) : schema.type
  if (type === 'object') {
    const fields = Object.entries(schema.properties ?? {}).filter(
      ([name]) => schema.required?.includes(name) || chance() < 0.6,
    )
    return Object.fromEntries(fields.map(([name, field]) => [name, valueFor(field, chance)]))
  }
  if (type === 'array') return chance() < 0.3 ? [] : [valueFor(schema.items ?? {}, chance)]
  if (type === 'integer' || type === 'number') return schema.minimum ?? schema.maximum ?? 1
  if (type === 'boolean') return chance() < 0.5
  if (type === 'null') return null
  return text(schema, chance)
}

/** The value with one part of it replaced, dropped or added, anywhere in it. */
export const spoiled = (value: unknown, chance: () => number): unknown => {
  if (value === null || typeof value !== 'object' || Array.isArray(value) || chance() < 0.15) return pick(chance, NASTY)
  const entries = Object.entries(value)
  const at = Math.floor(chance() * (entries.length + 1))
  if (at === entries.length)
    return { ...value, [pick(chance, ['extra', '__proto__', 'id', 'roles'])]: pick(chance, NASTY) }
  const [name] = entries[at] ?? ['']
  if (chance() < 0.3) return Object.fromEntries(entries.filter(([other]) => other !== name))
  return Object.fromEntries(entries.map(([key, part]) => [key, key === name ? spoiled(part, chance) : part]))
}
