import { hash, randomBytes } from 'node:crypto'

/** Makes a fresh id. Passed in, so that a test can fix it. */
export type NewId = () => string

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** True for the canonical lower-case form of any RFC 9562 UUID. */
export const isUuid = (text: string): boolean => UUID.test(text)

/**
 * A UUID of version 7 (RFC 9562, section 5.7): 48 bits of Unix milliseconds, then 74 random bits,
 * so that ids sort by the millisecond they were made in.
 */
export const uuidv7 = (nowMs: number = Date.now(), random: Uint8Array = randomBytes(10)): string => {
  const bytes = Buffer.alloc(16)
  bytes.writeUIntBE(nowMs, 0, 6)
  bytes.set(random.subarray(0, 10), 6)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x70
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** A UUIDv8 (RFC 9562, section 5.8) made of the first 122 bits of a SHA-256. */
export const uuidOf = (text: string): string => {
  const hex = hash('sha256', text, 'hex')
  const variant = ((Number.parseInt(hex[16] as string, 16) & 0x3) | 0x8).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}
