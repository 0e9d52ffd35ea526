import { createHash, hkdfSync, randomBytes } from 'node:crypto'
import { type Bound, openWith, sealWith } from '@ashlar/platform/keys'
import type { OneTimeTokens } from '../application/ports.ts'

const TOKEN_BYTES = 32

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest()

// Without the presented token there is no key: neither a dump of the store nor the master key opens a successor.
const successorKey = (token: string): Buffer =>
  Buffer.from(hkdfSync('sha256', token, Buffer.alloc(0), 'ashlar/refresh-successor/1', 32))

const boundTo = (token: string): Bound => ({
  table: 'refresh_tokens',
  column: 'successor_sealed',
  row: sha256(token).toString('hex'),
})

/** Tokens of 256 random bits. Their plain SHA-256 is safe to store: there is nothing to guess. */
export const createOpaqueTokens = (): OneTimeTokens => ({
  make: () => {
    const token = randomBytes(TOKEN_BYTES).toString('base64url')
    return { token, hash: sha256(token) }
  },
  hash: sha256,
  sealSuccessor: (token, successor) => sealWith(successorKey(token), successor.token, boundTo(token)),
  openSuccessor: (token, sealed) => openWith(successorKey(token), sealed, boundTo(token)).toString('utf8'),
})
