import type { Clock, NewId } from '@ashlar/kernel'
import type { PasswordRules } from '../domain/password.ts'
import { createAdministrator } from './commands/create-administrator.ts'
import { endSessions } from './commands/end-sessions.ts'
import { login } from './commands/login.ts'
import { registerUser } from './commands/register-user.ts'
import { resendVerification } from './commands/resend-verification.ts'
import { resetPassword } from './commands/reset-password.ts'
import { rotateRefreshToken } from './commands/rotate-refresh-token.ts'
import { verifyEmail } from './commands/verify-email.ts'
import type {
  AccessTokens,
  AccountReads,
  AsUser,
  HashIdentifier,
  Lifetimes,
  OneTimeTokens,
  Passwords,
  SealMail,
  Work,
} from './ports.ts'
import { getProfile } from './queries/get-profile.ts'
import { listSessions } from './queries/list-sessions.ts'

export type VerbDeps = {
  unitOfWork: Work
  accounts: AccountReads
  passwords: Passwords
  tokens: OneTimeTokens
  accessTokens: AccessTokens
  sealMail: SealMail
  hashIdentifier: HashIdentifier
  asUser: AsUser
  rules: PasswordRules
  lifetimes: Lifetimes
  clock: Clock
  newId: NewId
}

/** Everything that auth can be asked to do. */
export const createVerbs = (deps: VerbDeps) => ({
  registerUser: registerUser(deps),
  verifyEmail: verifyEmail(deps),
  resendVerification: resendVerification(deps),
  login: login(deps),
  rotateRefreshToken: rotateRefreshToken(deps),
  endSessions: endSessions(deps),
  resetPassword: resetPassword(deps),
  createAdministrator: createAdministrator(deps),
  getProfile: getProfile(deps),
  listSessions: listSessions(deps),
})

export type AuthVerbs = ReturnType<typeof createVerbs>
