import type { RefusePassword } from '../application/ports.ts'
import { judgePassword, type PasswordRules } from '../domain/password.ts'
import type { BreachedPasswords } from './breached-file.ts'
import type { CommonPasswords } from './common-passwords.ts'

type Options = { rules: PasswordRules; common: CommonPasswords; breached?: Pick<BreachedPasswords, 'has'> }

/** What a new password must hold to: the rules, the person's own data, and the lists of passwords that leaked. */
export const createPasswordPolicy =
  ({ rules, common, breached }: Options): RefusePassword =>
  async (password, person) => {
    const reasons = judgePassword(password, person, rules)
    if (await common.has(password)) reasons.push('common')
    // The file is asked only about what would otherwise be taken: a look-up costs reads of the disk.
    else if (reasons.length === 0 && (await breached?.has(password))) reasons.push('breached')
    return reasons.length === 0 ? undefined : { code: 'password_refused', reasons }
  }
