/**
 * A parameter as it travels: text in PostgreSQL's own spelling, bytes as they are. A plain object or an array within
 * JSON is JSON; an array by itself is an array of the column's type.
 */
export const toParameter = (value: unknown): string | Buffer | null => {
  switch (typeof value) {
    case 'string':
      return value
    case 'number':
    case 'bigint':
    case 'boolean':
      return String(value)
    case 'object':
      if (value === null) return null
      if (Buffer.isBuffer(value)) return value
      if (value instanceof Date) return value.toISOString()
      if (Array.isArray(value)) return arrayLiteral(value)
      if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
      return JSON.stringify(value)
    case 'undefined':
      return null
    default:
      throw new TypeError(`a ${typeof value} cannot be a parameter`)
  }
}

/** https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO */
const arrayLiteral = (items: readonly unknown[]): string => `{${items.map(elementOf).join(',')}}`

const elementOf = (item: unknown): string => {
  if (Array.isArray(item)) return arrayLiteral(item)
  const text = toParameter(item)
  if (text === null) return 'NULL'
  return quoted(Buffer.isBuffer(text) ? `\\x${text.toString('hex')}` : text)
}

const quoted = (text: string): string => `"${text.replace(/["\\]/g, '\\$&')}"`
