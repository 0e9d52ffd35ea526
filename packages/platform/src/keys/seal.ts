import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto'

/** The place a ciphertext belongs to. It opens nowhere else: swapping two rows' values is found out. */
export type Bound = { table: string; column: string; row: string }

const NONCE_BYTES = 12
const TAG_BYTES = 16

/** Given as bytes, a key would be imported in a way that costs three times the cipher. */
const secretOf = (key: Buffer | KeyObject): KeyObject => (Buffer.isBuffer(key) ? createSecretKey(key) : key)

const associatedData = (version: number, { table, column, row }: Bound): Buffer => {
  const parts: Buffer[] = [Buffer.from([version])]
  for (const part of [table, column, row]) {
    const text = Buffer.from(part, 'utf8')
    const length = Buffer.alloc(4)
    length.writeUInt32BE(text.length)
    parts.push(length, text)
  }
  return Buffer.concat(parts)
}

/**
 * AES-256-GCM under a key of 32 bytes; a KeyObject spares a key that is used often its set-up. The result is version (1 byte) ‖ nonce (12) ‖ data, the data ending in
 * the tag (16). The nonce is random: at most 2^32 seals per key (NIST SP 800-38D, section 8.3).
 */
export const sealWith = (key: Buffer | KeyObject, plaintext: Buffer | string, bound: Bound, version = 1): Buffer => {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv('aes-256-gcm', secretOf(key), nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(associatedData(version, bound))
  const data = Buffer.concat([cipher.update(plaintext), cipher.final()])
  return Buffer.concat([Buffer.from([version]), nonce, data, cipher.getAuthTag()])
}

/** The inverse of `sealWith`. Throws on another key, another place, or one changed bit. */
export const openWith = (key: Buffer | KeyObject, sealed: Buffer, bound: Bound): Buffer => {
  if (sealed.length < 1 + NONCE_BYTES + TAG_BYTES) throw new Error('sealed value is cut short')
  const nonce = sealed.subarray(1, 1 + NONCE_BYTES)
  const decipher = createDecipheriv('aes-256-gcm', secretOf(key), nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(associatedData(versionOf(sealed), bound))
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
  return Buffer.concat([decipher.update(sealed.subarray(1 + NONCE_BYTES, -TAG_BYTES)), decipher.final()])
}

/** The version of the key that a value was sealed with. */
export const versionOf = (sealed: Buffer): number => sealed[0] ?? 0
