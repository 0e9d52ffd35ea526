import { createHash } from 'node:crypto'

/**
 * JSON with the members of every object in one order (by UTF-16 code units, as RFC 8785 sorts) and no white space.
 * Members that are undefined are left out, Dates become their ISO text.
 */
export const canonicalJson = (value: unknown): string => JSON.stringify(value, inOrder) ?? 'null'

const inOrder = (_name: string, value: unknown): unknown => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
  // Object.fromEntries defines own members, so a name like __proto__ stays one.
  return Object.fromEntries(members)
}

/** SHA-256 (hex) of the canonical form: the same for two spellings of one body. */
export const fingerprint = (body: unknown): string => createHash('sha256').update(canonicalJson(body)).digest('hex')
