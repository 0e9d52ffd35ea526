import { createHash } from 'node:crypto'
import { canonicalJson } from '@ashlar/kernel'

/**
 * SHA-256 (hex) of the canonical form: the same for two spellings of one body. It is taken before the body is checked,
 * so it never throws: a number that JSON cannot write again (1e400 is read as infinite) is for the check to refuse.
 */
export const fingerprint = (body: unknown): string => createHash('sha256').update(textOf(body)).digest('hex')

const textOf = (body: unknown): string => {
  try {
    return canonicalJson(body)
  } catch {
    return JSON.stringify(body)
  }
}
