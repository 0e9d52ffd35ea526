import type { Clock, NewId } from '@ashlar/kernel'
import type { KeyLifetimes } from '../domain/signing-key.ts'
import { activateUser } from './commands/activate-user.ts'
import { answerAddressRequest } from './commands/answer-address-request.ts'
import { changePassword } from './commands/change-password.ts'
import { createAdministrator } from './commands/create-administrator.ts'
import { createRole } from './commands/create-role.ts'
import { deactivateUser } from './commands/deactivate-user.ts'
import { deleteRole } from './commands/delete-role.ts'
import { deleteUser } from './commands/delete-user.ts'
import { endSessions } from './commands/end-sessions.ts'
import { importUsers } from './commands/import-users.ts'
import { login } from './commands/login.ts'
import { registerUser } from './commands/register-user.ts'
import { requestForAddress } from './commands/request-for-address.ts'
import { resetPassword } from './commands/reset-password.ts'
import { rotateRefreshToken } from './commands/rotate-refresh-token.ts'
import { rotateSigningKeys } from './commands/rotate-signing-keys.ts'
import { setUserRoles } from './commands/set-user-roles.ts'
import { updateProfile } from './commands/update-profile.ts'
import { updateRole } from './commands/update-role.ts'
import { verifyEmail } from './commands/verify-email.ts'
import type {
  AccessTokens,
  AccountReads,
  AsUser,
  EvenTime,
  ForgiveGuesses,
  GuardSecret,
  HashIdentifier,
  Lifetimes,
  LinkLimits,
  MakeSigningKey,
  OneTimeTokens,
  Passwords,
  RefusePassword,
  SealMail,
  Work,
} from './ports.ts'
import { getProfile } from './queries/get-profile.ts'
import { listRoles } from './queries/list-roles.ts'
import { listSessions } from './queries/list-sessions.ts'
import { listUsers } from './queries/list-users.ts'

export type VerbDeps = {
  unitOfWork: Work
  accounts: AccountReads
  passwords: Passwords
  tokens: OneTimeTokens
  accessTokens: AccessTokens
  sealMail: SealMail
  hashIdentifier: HashIdentifier
  asUser: AsUser
  refusePassword: RefusePassword
  guardSecret: GuardSecret
  forgiveGuesses: ForgiveGuesses
  evenTime: EvenTime
  linkLimits: LinkLimits
  wakeRequests: () => void
  reloadHashKinds: () => Promise<void>
  lifetimes: Lifetimes
  makeSigningKey: MakeSigningKey
  keyLifetimes: KeyLifetimes
  clock: Clock
  newId: NewId
}

/** Everything that auth can be asked to do. */
export const createVerbs = (deps: VerbDeps) => ({
  registerUser: registerUser(deps),
  verifyEmail: verifyEmail(deps),
  requestForAddress: requestForAddress(deps),
  answerAddressRequest: answerAddressRequest(deps),
  login: login(deps),
  rotateRefreshToken: rotateRefreshToken(deps),
  endSessions: endSessions(deps),
  resetPassword: resetPassword(deps),
  changePassword: changePassword(deps),
  importUsers: importUsers(deps),
  createAdministrator: createAdministrator(deps),
  getProfile: getProfile(deps),
  listSessions: listSessions(deps),
  updateProfile: updateProfile(deps),
  listUsers: listUsers(deps),
  activateUser: activateUser(deps),
  deactivateUser: deactivateUser(deps),
  deleteUser: deleteUser(deps),
  setUserRoles: setUserRoles(deps),
  listRoles: listRoles(deps),
  createRole: createRole(deps),
  updateRole: updateRole(deps),
  deleteRole: deleteRole(deps),
  rotateSigningKeys: rotateSigningKeys(deps),
})

export type AuthVerbs = ReturnType<typeof createVerbs>
