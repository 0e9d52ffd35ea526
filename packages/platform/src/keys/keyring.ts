import { createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { type Bound, openWith, sealWith, versionOf } from './seal.ts'

/** The keys of one Ashlar, all derived from its master key by purpose. */
export type Keyring = {
  /** 32 bytes, the same for the same purpose and version as long as the master key is the same. */
  derive(purpose: string, version?: number): Buffer
  seal(purpose: string, plaintext: Buffer | string, bound: Bound): Buffer
  open(purpose: string, sealed: Buffer, bound: Bound): Buffer
  /** HMAC-SHA-256 in hex: equal texts are found again, and without the key no text can be tried against it. */
  hash(purpose: string, text: string): string
}

/** `masterKey`: 32 random bytes. Derivation is HKDF-SHA-256 (RFC 5869) with the purpose and version as `info`. */
export const createKeyring = ({ masterKey }: { masterKey: Buffer }): Keyring => {
  if (masterKey.length !== 32) throw new Error('the master key must have 32 bytes')
  const master = Buffer.from(masterKey)
  const derived = new Map<string, KeyObject>()
  const derive = (purpose: string, version = 1): KeyObject => {
    const info = `ashlar/${version}/${purpose}`
    const known = derived.get(info)
    if (known) return known
    const key = createSecretKey(Buffer.from(hkdfSync('sha256', master, Buffer.alloc(0), info, 32)))
    // Purposes are a handful of words in the code; should one ever hold an id, the memory still stays bounded.
    if (derived.size < 256) derived.set(info, key)
    return key
  }
  return {
    // Exported anew: a caller that wipes its key must not wipe everybody's.
    derive: (purpose, version) => derive(purpose, version).export(),
    seal: (purpose, plaintext, bound) => sealWith(derive(`seal/${purpose}`), plaintext, bound),
    open: (purpose, sealed, bound) => openWith(derive(`seal/${purpose}`, versionOf(sealed)), sealed, bound),
    hash: (purpose, text) =>
      createHmac('sha256', derive(`hash/${purpose}`))
        .update(text)
        .digest('hex'),
  }
}
