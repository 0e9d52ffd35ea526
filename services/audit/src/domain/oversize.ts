import { hash } from 'node:crypto'
import { canonicalJson, type Json } from '@ashlar/kernel'

/**
 * Stands for a value that is too large for the trail: SHA-256 in hex and length in bytes, of the text itself where the
 * value is one, else of its canonical JSON.
 */
export type Oversize = { $oversize: { sha256: string; bytes: number } }

/** Stands for a value that the store has no form for; digest and length as above. */
export type Unstorable = { $unstorable: { sha256: string; bytes: number } }

const digestOf = (value: Json): { sha256: string; bytes: number } => {
  const text = typeof value === 'string' ? value : canonicalJson(value)
  return { sha256: hash('sha256', text, 'hex'), bytes: Buffer.byteLength(text) }
}

export const oversize = (value: Json): Oversize => ({ $oversize: digestOf(value) })

export const unstorable = (value: Json): Unstorable => ({ $unstorable: digestOf(value) })

/** No marker is longer than this, so smaller values are never replaced. */
const SMALL = 256

/** Texts beyond this are not quoted only to be counted. */
const HUGE = 1_048_576

/** Bytes of the JSON of a value; of a huge text those of the text itself, which are fewer. */
const sizeOf = (value: Json): number =>
  Buffer.byteLength(typeof value === 'string' && value.length > HUGE ? value : canonicalJson(value))

/** Whether a text of JSON has more bytes than `limit`; counted only where that is possible at all. */
export const isLongText = (text: string, limit: number): boolean =>
  text.length * 3 > limit && (text.length > limit || Buffer.byteLength(text) > limit)

/** Whether a text among the values is longer than `limit` by itself, before any JSON is made of it. */
export const holdsLongText = (values: Record<string, Json>, limit: number): boolean => {
  for (const field in values) {
    const value = values[field]
    if (typeof value === 'string' && value.length > limit) return true
  }
  return false
}

/** Whether the JSON of a value has more bytes than `limit`. */
export const isLong = (value: Json, limit: number): boolean => {
  // A character takes six bytes at most, as `\\uXXXX`.
  if (typeof value === 'string') return value.length * 6 > limit && sizeOf(value) > limit
  return typeof value === 'object' && value !== null && sizeOf(value) > limit
}

/**
 * The longest values replaced by their digest until all fit into `limit` bytes of JSON; those of `keys` stay, so that
 * it can be told which row it was.
 */
export const fit = (values: Record<string, Json>, limit: number, keys: readonly string[]): Record<string, Json> => {
  const sizes = Object.entries(values).map(([field, value]) => ({ field, bytes: sizeOf(value) }))
  let total = sizes.reduce((sum, { field, bytes }) => sum + Buffer.byteLength(field) + bytes + 4, 2)
  const fitted = { ...values }
  for (const { field, bytes } of sizes.sort((one, other) => other.bytes - one.bytes)) {
    if (total <= limit || bytes <= SMALL) break
    if (keys.includes(field)) continue
    fitted[field] = oversize(values[field] ?? null)
    total -= bytes - sizeOf(fitted[field])
  }
  return fitted
}
