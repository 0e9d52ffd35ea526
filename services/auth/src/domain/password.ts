/** Lengths in Unicode characters, both inclusive. */
export type PasswordRules = { minLength: number; maxLength: number }

/** What a password must not repeat. */
export type Person = { email: string; firstName: string | null; lastName: string | null }

export type PasswordReason = 'too_short' | 'too_long' | 'equals_email' | 'equals_name'

const folded = (text: string): string => text.normalize('NFKC').toLowerCase().replace(/\s+/gu, '')

/** The reasons why this password is refused; none: it may be used. It is never cut to a length. */
export const judgePassword = (password: string, person: Person, rules: PasswordRules): PasswordReason[] => {
  const length = [...password].length
  const reasons: PasswordReason[] = []
  if (length < rules.minLength) reasons.push('too_short')
  if (length > rules.maxLength) reasons.push('too_long')

  const own = folded(password)
  const { email, firstName, lastName } = person
  if ([email, email.slice(0, email.lastIndexOf('@'))].map(folded).includes(own)) reasons.push('equals_email')
  const [first, last] = [folded(firstName ?? ''), folded(lastName ?? '')]
  if (own !== '' && [first, last, first + last, last + first].includes(own)) reasons.push('equals_name')
  return reasons
}

export type PasswordRefused = { code: 'password_refused'; reasons: PasswordReason[] }
