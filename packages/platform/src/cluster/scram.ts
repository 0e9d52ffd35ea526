import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

/**
 * SCRAM-SHA-256 verifiers in PostgreSQL's own form (RFC 5803, RFC 7677). The server stores such a text as it is,
 * so a password never travels in a statement, where a log could catch it, nor lies in a file.
 */
const derive = promisify(pbkdf2)
const ITERATIONS = 4096
const VERIFIER = /^SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$/

const keys = async (
  password: string,
  salt: Buffer,
  iterations: number,
): Promise<{ stored: Buffer; server: Buffer }> => {
  const salted = await derive(password, salt, iterations, 32, 'sha256')
  const hmac = (text: string): Buffer => createHmac('sha256', salted).update(text).digest()
  return { stored: createHash('sha256').update(hmac('Client Key')).digest(), server: hmac('Server Key') }
}

export const scramVerifier = async (password: string, salt: Buffer = randomBytes(16)): Promise<string> => {
  const { stored, server } = await keys(password, salt, ITERATIONS)
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString('base64')}$${stored.toString('base64')}:${server.toString('base64')}`
}

/** True when the stored verifier was made from this password, so that nothing needs to be written. */
export const matchesVerifier = async (password: string, verifier: string | null): Promise<boolean> => {
  const [, iterations, salt, storedKey] = VERIFIER.exec(verifier ?? '') ?? []
  if (iterations === undefined || salt === undefined || storedKey === undefined) return false
  const { stored } = await keys(password, Buffer.from(salt, 'base64'), Number(iterations))
  const known = Buffer.from(storedKey, 'base64')
  return known.length === stored.length && timingSafeEqual(known, stored)
}
