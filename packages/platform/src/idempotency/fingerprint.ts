import { createHash } from 'node:crypto'
import { canonicalJson } from '@ashlar/kernel'

/** SHA-256 (hex) of the canonical form: the same for two spellings of one body. */
export const fingerprint = (body: unknown): string => createHash('sha256').update(canonicalJson(body)).digest('hex')
