import { randomBytes } from 'node:crypto'
import { type Algorithm, hash, verify } from '@node-rs/argon2'
import type { Passwords } from '../application/ports.ts'
import type { HashQueue } from './hash-queue.ts'

// OWASP's first choice for argon2id: 19 MiB, two passes, one lane. The enum of the library exists only as a type.
const PARAMETERS = { algorithm: 2 satisfies Algorithm.Argon2id, memoryCost: 19_456, timeCost: 2, parallelism: 1 }

// The same characters typed on another keyboard may come composed or decomposed (RFC 8265, section 4.2.2).
const prepared = (password: string): string => password.normalize('NFC')

/** Argon2id in `queue`. Made once at start: the hash that unknown accounts are checked against. */
export const createArgon2Passwords = async (queue: HashQueue): Promise<Passwords> => {
  const dummy = await hash(randomBytes(32), PARAMETERS)
  return {
    hash: (password) => queue.run(() => hash(prepared(password), PARAMETERS)),
    verify: async (passwordHash, password) => {
      const matches = await queue.run(() => verify(passwordHash ?? dummy, prepared(password)))
      return matches.ok && passwordHash === undefined ? { ok: true, value: false } : matches
    },
  }
}
