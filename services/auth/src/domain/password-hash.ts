import { err, ok, type Result } from '@ashlar/kernel'

/** What checking a password against a hash costs. Equal kinds cost the same. */
export type HashKind =
  | { algorithm: 'bcrypt'; cost: number }
  | { algorithm: 'argon2id'; memoryKib: number; passes: number; lanes: number }

/** `prefix`: everything before the salt. */
export type ReadHash = { kind: HashKind; prefix: string }

/** OWASP's first choice for argon2id: 19 MiB, two passes, one lane. What every new password is hashed with. */
export const OWN_KIND = { algorithm: 'argon2id', memoryKib: 19_456, passes: 2, lanes: 1 } as const satisfies HashKind

// A hash from elsewhere names its own price, and one that is dear enough is an attack: of every sign-in after it.
const MAX_BCRYPT_COST = 12
const MAX_MEMORY_KIB = 131_072
const MAX_MEMORY_TIMES_PASSES = 262_144
const MAX_LANES = 16

// 22 characters of salt and 31 of digest; the last of each has bits to spare, which must be zero: verifiers refuse to
// look at others, and what is not looked at shows in the time.
const BCRYPT = /^(\$2[aby]\$(\d\d)\$)[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26]$/
const ARGON2ID =
  /^(\$argon2id\$v=19\$m=([1-9]\d{0,9}),t=([1-9]\d{0,9}),p=([1-9]\d{0,3})\$)([A-Za-z0-9+/]{11,64})\$([A-Za-z0-9+/]{22,86})$/

const isBase64 = (text: string): boolean => Buffer.from(text, 'base64').toString('base64').replace(/=+$/, '') === text

/** The one reading of a stored or imported hash: what it does not understand in full is never evaluated. */
export const readPasswordHash = (text: string): Result<ReadHash, 'hash_malformed' | 'hash_too_costly'> => {
  const bcrypt = BCRYPT.exec(text)
  if (bcrypt) {
    const cost = Number(bcrypt[2])
    if (cost < 4) return err('hash_malformed')
    return cost > MAX_BCRYPT_COST
      ? err('hash_too_costly')
      : ok({ kind: { algorithm: 'bcrypt', cost }, prefix: bcrypt[1] ?? '' })
  }
  const [, prefix = '', memory, passes, lanes, salt = '', digest = ''] = ARGON2ID.exec(text) ?? []
  if (prefix === '' || !isBase64(salt) || !isBase64(digest)) return err('hash_malformed')
  const kind = {
    algorithm: 'argon2id',
    memoryKib: Number(memory),
    passes: Number(passes),
    lanes: Number(lanes),
  } as const
  if (kind.memoryKib < 8 * kind.lanes) return err('hash_malformed')
  const tooCostly =
    kind.memoryKib > MAX_MEMORY_KIB || kind.memoryKib * kind.passes > MAX_MEMORY_TIMES_PASSES || kind.lanes > MAX_LANES
  return tooCostly ? err('hash_too_costly') : ok({ kind, prefix })
}

/** By this name kinds are told apart. */
export const nameOfKind = (kind: HashKind): string =>
  kind.algorithm === 'bcrypt' ? `bcrypt/${kind.cost}` : `argon2id/${kind.memoryKib}/${kind.passes}/${kind.lanes}`

/**
 * Whether a hash of this kind is to be replaced when its password is at hand. Only upwards: memory times passes is
 * what an attacker pays for a guess, so a hash that costs more than ours stays.
 */
export const isWeakerThanOwn = (kind: HashKind): boolean =>
  kind.algorithm === 'bcrypt' || kind.memoryKib * kind.passes < OWN_KIND.memoryKib * OWN_KIND.passes
