/** Any value that JSON can hold. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/**
 * The one text of a JSON value: keys sorted by UTF-16 code unit, no white space, numbers as ECMAScript prints them
 * (RFC 8785). Keys whose value is undefined are left out, dates become their ISO text. Lone surrogates come out escaped, so the text is always
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
      if (value instanceof Date) return JSON.stringify(value)
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
