import type { Brand } from '@ashlar/kernel'
import type { EmailAddress } from './email.ts'

export type UserId = Brand<string, 'UserId'>
export type SessionId = Brand<string, 'SessionId'>

/** A person, verified or not yet. `version` counts the changes of this row. */
export type User = {
  id: UserId
  email: EmailAddress
  firstName: string | null
  lastName: string | null
  isActive: boolean
  emailVerifiedAt: Date | null
  createdAt: Date
  updatedAt: Date
  version: number
}

/** Roles, and the union of what they permit; both sorted. `rolesVersion`: the newest change of one of these roles. */
export type Rights = { roles: string[]; permissions: string[]; rolesVersion: number }

export type Account = User & Rights

/** Why a session is over, as the trail and `session.revoked` tell it. */
export type EndReason =
  | 'logout'
  | 'logout_all'
  | 'revoked'
  | 'refresh_reused'
  | 'password_reset'
  | 'password_changed'
  | 'deactivated'
  | 'deleted'

/** What a login with the right password leads to. Deactivation is told only to whoever knows the password. */
export const admit = (user: User): 'admitted' | 'email_unverified' | 'account_deactivated' => {
  if (!user.isActive) return 'account_deactivated'
  return user.emailVerifiedAt === null ? 'email_unverified' : 'admitted'
}
