export type CharacterClass = 'lower' | 'upper' | 'digit' | 'symbol'

/** Lengths in Unicode characters, both inclusive. */
export type PasswordRules = { minLength: number; maxLength: number; classes: readonly CharacterClass[] }

/** Whose password it is: what it must not be made of. */
export type Person = { email: string; firstName: string | null; lastName: string | null }

export type PasswordReason =
  | 'too_short'
  | 'too_long'
  | 'malformed'
  | `lacks_${CharacterClass}`
  | 'contains_email'
  | 'contains_name'
  | 'common'
  | 'breached'

export type PasswordRefused = { code: 'password_refused'; reasons: PasswordReason[] }

/** Words shorter than this are in too many passwords by chance, and too short to guess the rest by. */
const SHORTEST_PIECE = 4
/** A piece as long as a whole password is not in there by chance. */
const TELLING_PIECE = 8

const CLASSES: Readonly<Record<CharacterClass, RegExp>> = {
  lower: /\p{Ll}/u,
  upper: /\p{Lu}/u,
  digit: /\p{Nd}/u,
  symbol: /[^\p{L}\p{M}\p{N}]/u,
}

/** The form in which a password is checked, hashed and compared: composed or decomposed, it is one (RFC 8265, 4.2.2). */
export const preparePassword = (password: string): string => password.normalize('NFC')

/** The form in which passwords are looked for in lists: whoever guesses tries other cases and widths first. */
export const foldPassword = (text: string): string => text.normalize('NFKC').toLowerCase()

/**
 * The reasons why this password is refused; none: the rules allow it. It is never cut to a length. Text that UTF-8
 * cannot carry is refused, because different ones would become one password.
 */
export const judgePassword = (password: string, person: Person, rules: PasswordRules): PasswordReason[] => {
  const prepared = preparePassword(password)
  const length = [...prepared].length
  const reasons: PasswordReason[] = []
  if (length < rules.minLength) reasons.push('too_short')
  if (length > rules.maxLength) reasons.push('too_long')
  if (!prepared.isWellFormed()) reasons.push('malformed')
  for (const name of rules.classes) if (!CLASSES[name].test(prepared)) reasons.push(`lacks_${name}`)

  const own = squeezed(password)
  if (isMadeOf(own, emailPieces(person.email), rules.minLength)) reasons.push('contains_email')
  if (isMadeOf(own, namePieces(person), rules.minLength)) reasons.push('contains_name')
  return reasons
}

/** Without spaces: `Ada Lovelace` and `adalovelace` are one guess. */
const squeezed = (text: string): string => foldPassword(text).replace(/\s+/gu, '')

const words = (text: string): string[] => text.split(/[^\p{L}\p{M}\p{N}]+/u)

/** The whole address, what stands before the `@`, its words, and those of the domain; the top level says nothing of anybody. */
const emailPieces = (email: string): string[] => {
  const at = email.lastIndexOf('@')
  const [local, domain] = [email.slice(0, at), email.slice(at + 1)]
  return [email, local, ...words(local), ...domain.split('.').slice(0, -1)]
}

const namePieces = ({ firstName, lastName }: Person): string[] => {
  const [first, last] = [firstName ?? '', lastName ?? '']
  return [first + last, last + first, first, last, ...words(first), ...words(last)]
}

/**
 * Whether a password repeats one of these pieces, is a part of one, or has too little left without a short one to be
 * a password of its own. A short word within a long passphrase stays allowed: it would turn up there by chance.
 */
const isMadeOf = (password: string, pieces: readonly string[], minLength: number): boolean =>
  password !== '' &&
  pieces.map(squeezed).some((piece) => {
    if (piece === password) return true
    if ([...piece].length < SHORTEST_PIECE) return false
    if ([...password].length >= SHORTEST_PIECE && piece.includes(password)) return true
    if (!password.includes(piece)) return false
    return [...piece].length >= TELLING_PIECE || [...password.replaceAll(piece, '')].length < minLength
  })
