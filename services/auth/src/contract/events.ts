import { timestamp, uuid } from '@ashlar/platform/contract'
import { defineEvent } from '@ashlar/platform/events'
import { z } from 'zod'

const person = {
  userId: uuid,
  email: z.string(),
  firstName: z.string().nullable(),
  lastName: z.string().nullable(),
  timestamp,
}
const aboutUser = { subject: 'the user' }
const aboutSession = { subject: 'the session' }

export const userRegistered = defineEvent('user.registered.v1', z.object(person), {
  summary: 'An address was registered for the first time; it is not verified yet',
  ...aboutUser,
})
export const userVerified = defineEvent('user.verified.v1', z.object(person), {
  summary: 'An address was proven; names are those of the registration that counts',
  ...aboutUser,
})
export const userUpdated = defineEvent('user.updated.v1', z.object({ ...person, roles: z.array(z.string()) }), {
  summary: 'Names or roles of a user changed',
  ...aboutUser,
})
export const userActivated = defineEvent('user.activated.v1', z.object({ userId: uuid, timestamp }), {
  summary: 'A deactivated user may sign in again',
  ...aboutUser,
})
export const userDeactivated = defineEvent('user.deactivated.v1', z.object({ userId: uuid, timestamp }), {
  summary: 'A user may sign in no more; all his sessions have ended',
  ...aboutUser,
})
export const userDeleted = defineEvent('user.deleted.v1', z.object({ userId: uuid, timestamp }), {
  summary: 'A user is gone: whatever is kept of him elsewhere may keep the bare id only',
  ...aboutUser,
})
export const userPasswordChanged = defineEvent(
  'user.password_changed.v1',
  z.object({ userId: uuid, email: z.string(), timestamp }),
  { summary: 'A password was set anew', ...aboutUser },
)
export const userLogin = defineEvent(
  'user.login.v1',
  z.object({
    userId: uuid,
    email: z.string(),
    sessionId: uuid,
    timestamp,
    ipAddress: z.string().nullable(),
    userAgent: z.string().nullable(),
  }),
  { summary: 'Somebody signed in', ...aboutSession },
)
export const userLoginFailed = defineEvent(
  'user.login_failed.v1',
  z.object({
    identifierHash: z.string().describe('Keyed hash of the address: equal ones can be counted, none can be read'),
    reason: z.enum(['credentials_invalid', 'email_unverified', 'account_deactivated']),
    timestamp,
    ipAddress: z.string().nullable(),
  }),
  { summary: 'A sign-in was refused', subject: 'the hash of the identifier' },
)
export const sessionRevoked = defineEvent(
  'session.revoked.v1',
  z.object({
    userId: uuid,
    sessionId: uuid,
    reason: z.enum([
      'logout',
      'logout_all',
      'revoked',
      'refresh_reused',
      'password_reset',
      'password_changed',
      'deactivated',
      'deleted',
    ]),
    timestamp,
  }),
  { summary: 'A session ended before its time', ...aboutSession },
)
export const refreshReused = defineEvent(
  'auth.refresh.reused.v1',
  z.object({ userId: uuid, sessionId: uuid, timestamp, ipAddress: z.string().nullable() }),
  { summary: 'A consumed refresh token was presented; its session was ended', ...aboutSession },
)
export const signingKeyRotated = defineEvent(
  'signing_key.rotated.v1',
  z.object({
    kid: z.string().describe('The new key, published already'),
    previousKid: z.string(),
    activeAt: timestamp.describe('When it begins to sign'),
    timestamp,
  }),
  { summary: 'A new key will sign access tokens', subject: 'the new key' },
)
export const mailRequested = defineEvent(
  'mail.requested.v1',
  z.object({
    template: z.enum(['verify-email', 'email-already-registered', 'password-reset', 'otp-code']),
    userId: uuid.nullable(),
    email: z.string(),
    firstName: z.string().nullable(),
    sealed: z.string().describe('Base64, purpose `mail-request`: what only the mailer may read, e.g. {"token": …}'),
    sealId: uuid.describe('The row that the seal is bound to'),
    expiresAt: timestamp,
  }),
  { summary: 'A mail that auth asks for', ...aboutUser },
)

/** Everything that auth tells the others. */
export const authEvents = [
  userRegistered,
  userVerified,
  userUpdated,
  userActivated,
  userDeactivated,
  userDeleted,
  userPasswordChanged,
  userLogin,
  userLoginFailed,
  sessionRevoked,
  refreshReused,
  signingKeyRotated,
  mailRequested,
] as const
