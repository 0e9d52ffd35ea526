import { randomBytes } from 'node:crypto'

const SALT_BYTES = 16

/** Salts of 16 random bytes in base64. Drawn many at once: one by one they cost more than the hash that needs them. */
export const createSalts = (): (() => string) => {
  let drawn = Buffer.alloc(0)
  let used = 0
  return () => {
    if (used === drawn.length) {
      drawn = randomBytes(4096)
      used = 0
    }
    used += SALT_BYTES
    return drawn.toString('base64', used - SALT_BYTES, used)
  }
}
