import { type Algorithm, hash as argon2Hash, verify as argon2Verify } from '@node-rs/argon2'
import { verify as bcryptVerify } from '@node-rs/bcrypt'
import type { Passwords } from '../application/ports.ts'
import { preparePassword } from '../domain/password.ts'
import { isWeakerThanOwn, nameOfKind, OWN_KIND, readPasswordHash } from '../domain/password-hash.ts'
import type { HashKinds } from './hash-kinds.ts'
import type { HashQueue } from './hash-queue.ts'

// The enum of the library exists only as a type.
const PARAMETERS = {
  algorithm: 2 satisfies Algorithm.Argon2id,
  memoryCost: OWN_KIND.memoryKib,
  timeCost: OWN_KIND.passes,
  parallelism: OWN_KIND.lanes,
}

/** bcrypt reads no further, so that any longer password would be right by its beginning. */
const BCRYPT_MAX_BYTES = 72

/**
 * bcrypt takes the bytes as they were typed, which is what the system did that made the hash. It repeats them with a
 * zero byte between, so a password with one inside would be right beside the shorter one.
 */
const matchesBcrypt = async (text: string, password: string): Promise<boolean> => {
  const matches = await bcryptVerify(password, text)
  return matches && Buffer.byteLength(password) <= BCRYPT_MAX_BYTES && !password.includes('\0')
}

/** Whether a password belongs to a hash of any kind: what takes the time. */
export const matchesHash = (text: string, password: string): Promise<boolean> =>
  text.startsWith('$2') ? matchesBcrypt(text, password) : argon2Verify(text, preparePassword(password))

/**
 * Passwords as argon2id, in `queue`. A wrong one is checked against one hash of every kind that is stored, so neither
 * a missing account nor the kind of a hash shows in the time; a right one is checked once. A stored hash that is
 * malformed or too costly is never evaluated and matches nothing.
 */
export const createPasswords = (queue: HashQueue, kinds: HashKinds, matches = matchesHash): Passwords => {
  const check = async (passwordHash: string | undefined, password: string): Promise<boolean> => {
    const read = passwordHash === undefined ? undefined : readPasswordHash(passwordHash)
    const own = read?.ok ? read.value : undefined
    if (own) kinds.learn(own)
    if (own && passwordHash !== undefined && (await matches(passwordHash, password))) return true

    const paid = own && nameOfKind(own.kind)
    for (const [name, decoy] of kinds.decoys()) if (name !== paid) await matches(decoy, password)
    return false
  }
  return {
    admit: queue.admit,
    hash: (password) => queue.run(() => argon2Hash(preparePassword(password), PARAMETERS)),
    verify: (passwordHash, password) => queue.run(() => check(passwordHash, password)),
    isWeak: (passwordHash) => {
      const read = readPasswordHash(passwordHash)
      return read.ok && isWeakerThanOwn(read.value.kind)
    },
  }
}
