import { createHmac, timingSafeEqual } from 'node:crypto'
import { canonicalJson, err, ok, type Result } from '@ashlar/kernel'

const MAC_BYTES = 16

/**
 * An opaque position in a list. `filterAndSort` is not carried but signed along (HMAC-SHA-256, cut to 128 bits), so a
 * cursor is of use only in the list it came from. `position` is JSON: no bigint, no Date.
 */
export const encodeCursor = (key: Buffer, filterAndSort: unknown, position: unknown): string => {
  const payload = Buffer.from(canonicalJson(position))
  return Buffer.concat([mac(key, filterAndSort, payload), payload]).toString('base64url')
}

/** The position of a cursor made by `encodeCursor` with the same key, filter and sort. */
export const decodeCursor = <P>(key: Buffer, filterAndSort: unknown, cursor: string): Result<P, 'cursor_invalid'> => {
  if (!/^[A-Za-z0-9_-]{1,2048}$/.test(cursor)) return err('cursor_invalid')
  const bytes = Buffer.from(cursor, 'base64url')
  // Two spellings of the same bytes would otherwise pass: the last character has spare bits.
  if (bytes.length <= MAC_BYTES || bytes.toString('base64url') !== cursor) return err('cursor_invalid')
  const payload = bytes.subarray(MAC_BYTES)
  if (!timingSafeEqual(bytes.subarray(0, MAC_BYTES), mac(key, filterAndSort, payload))) return err('cursor_invalid')
  return ok(JSON.parse(payload.toString('utf8')) as P)
}

const mac = (key: Buffer, filterAndSort: unknown, payload: Buffer): Buffer => {
  const bound = Buffer.from(canonicalJson(filterAndSort ?? null))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bound.length)
  return createHmac('sha256', key).update(length).update(bound).update(payload).digest().subarray(0, MAC_BYTES)
}
