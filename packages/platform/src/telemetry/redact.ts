const REDACTED = '[redacted]'
const MAX_TEXT = 2_000
const MAX_ITEMS = 50
const MAX_DEPTH = 4

type Fields = Record<string, unknown>

/** Copies the fields of a log line, keeping only what the allow-list names, at every depth. */
export const redactFields = (fields: object, allowed: ReadonlySet<string>, depth = 0): Fields => {
  const kept: Fields = {}
  for (const name of Object.keys(fields)) {
    const value = (fields as Fields)[name]
    if (value === undefined || typeof value === 'function') continue
    kept[name] = allowed.has(name) ? redactValue(value, allowed, depth) : REDACTED
  }
  return kept
}

const redactValue = (value: unknown, allowed: ReadonlySet<string>, depth: number): unknown => {
  if (typeof value === 'string') return shorten(value)
  if (typeof value === 'bigint') return value.toString()
  if (typeof value !== 'object' || value === null) return typeof value === 'symbol' ? REDACTED : value
  if (value instanceof Error) return reduceError(value)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (depth >= MAX_DEPTH || ArrayBuffer.isView(value)) return REDACTED
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((item) => redactValue(item, allowed, depth + 1))
  return redactFields(value, allowed, depth + 1)
}

/**
 * Name, message and stack of an error, and those of its causes: nothing else that an adapter hung onto it, such as the
 * row that a database complains about. A code like `23505` or `ECONNREFUSED` is kept.
 */
export const reduceError = (error: Error, depth = 0): Fields => {
  const reduced: Fields = { name: shorten(String(error.name)), message: shorten(String(error.message)) }
  const { code } = error as { code?: unknown }
  if (typeof code === 'string' && /^[A-Z0-9_]{1,40}$/.test(code)) reduced.code = code
  if (typeof error.stack === 'string') reduced.stack = error.stack.slice(0, 8_000)
  if (error.cause instanceof Error && depth < MAX_DEPTH) reduced.cause = reduceError(error.cause, depth + 1)
  return reduced
}

const shorten = (text: string): string => (text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text)
