import { defineErrors, defineRoute, pageOf, pageQuery, timestamp, uuid } from '@ashlar/platform/contract'
import { defineEvent } from '@ashlar/platform/events'
import { z } from 'zod'

export const authErrors = defineErrors({
  token_invalid: { status: 400, title: 'This link is not valid any more' },
  credentials_invalid: { status: 401, title: 'Wrong e-mail or password' },
  refresh_token_invalid: { status: 401, title: 'The refresh token is not valid' },
  refresh_token_reused: { status: 401, title: 'The refresh token was used before; its session is over' },
  email_unverified: { status: 403, title: 'The e-mail address is not verified yet' },
  account_deactivated: { status: 403, title: 'This account is deactivated' },
  password_refused: { status: 422, title: 'This password cannot be used' },
})

// Coarse on purpose: the domain decides what an address is, and the length keeps nonsense away from it.
const email = z.string().min(3).max(320).describe('An e-mail address')
const password = z.string().max(4096)
const secret = z.string().min(1).max(8192)
// Names travel into mail headers and subjects: a control character there would be an injected header. The two joiners
// are part of how Persian and Indic names are written.
const name = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .regex(/^(?:[^\p{C}\p{Zl}\p{Zp}]|[\u200c\u200d])*$/u, 'must not contain control characters')
  .nullish()

const message = z.object({ message: z.string() })

const user = z.object({
  id: uuid,
  email: z.string(),
  firstName: z.string().nullable(),
  lastName: z.string().nullable(),
  emailVerifiedAt: timestamp.nullable(),
  roles: z.array(z.string()),
  permissions: z.array(z.string()),
  createdAt: timestamp,
  updatedAt: timestamp,
})

const tokenPair = z.object({
  accessToken: z.string(),
  refreshToken: z.string(),
  tokenType: z.literal('Bearer'),
  expiresIn: z.int().describe('Seconds until the access token expires'),
  refreshExpiresIn: z.int().describe('Seconds until the refresh token expires'),
  sessionId: uuid,
})

const session = z.object({
  id: uuid,
  current: z.boolean(),
  createdAt: timestamp,
  lastUsedAt: timestamp,
  expiresAt: timestamp,
  ipAddress: z.string().nullable(),
  userAgent: z.string().nullable(),
})

const claims = z.looseObject({
  iss: z.string(),
  aud: z.union([z.string(), z.array(z.string())]),
  sub: uuid,
  sid: uuid,
  jti: z.string(),
  iat: z.number(),
  exp: z.number(),
  roles: z.array(z.string()),
  permissions: z.array(z.string()),
  email: z.string(),
  amr: z.array(z.string()),
  auth_time: z.number(),
})

const jwks = z.object({ keys: z.array(z.looseObject({ kty: z.string(), kid: z.string() })) })

export const authRoutes = {
  register: defineRoute({
    method: 'POST',
    path: '/auth/register',
    summary: 'Registers an address; the same answer for known and unknown ones',
    access: 'public',
    body: z.object({ email, password, firstName: name, lastName: name }),
    responses: { 202: message },
    errors: ['validation_failed', 'password_refused', 'overloaded'],
  }),
  verifyEmail: defineRoute({
    method: 'POST',
    path: '/auth/verify-email',
    summary: 'Proves an address with the token of a mailed link',
    access: 'public',
    body: z.object({ token: secret }),
    responses: { 200: z.object({ user }) },
    errors: ['token_invalid'],
  }),
  resendVerification: defineRoute({
    method: 'POST',
    path: '/auth/verify-email/resend',
    summary: 'Mails a new link; the same answer for every address',
    access: 'public',
    body: z.object({ email }),
    responses: { 202: message },
    errors: ['validation_failed'],
  }),
  login: defineRoute({
    method: 'POST',
    path: '/auth/login',
    summary: 'Signs in with a password',
    access: 'public',
    body: z.object({ email, password }),
    responses: { 200: tokenPair.extend({ user }) },
    errors: ['validation_failed', 'credentials_invalid', 'email_unverified', 'account_deactivated', 'overloaded'],
  }),
  refresh: defineRoute({
    method: 'POST',
    path: '/auth/refresh',
    summary: 'Exchanges a refresh token for a new pair',
    access: 'public',
    body: z.object({ refreshToken: secret }),
    responses: { 200: tokenPair },
    errors: ['refresh_token_invalid', 'refresh_token_reused'],
  }),
  logout: defineRoute({
    method: 'POST',
    path: '/auth/logout',
    summary: 'Ends this session',
    access: 'user',
    responses: { 204: null },
  }),
  logoutAll: defineRoute({
    method: 'POST',
    path: '/auth/logout-all',
    summary: 'Ends every session of the caller',
    access: 'user',
    responses: { 204: null },
  }),
  resetPassword: defineRoute({
    method: 'POST',
    path: '/auth/password/reset',
    summary: 'Sets a new password with a one-time token; every session of the account ends',
    access: 'public',
    body: z.object({ token: secret, newPassword: password }),
    responses: { 204: null },
    errors: ['token_invalid', 'password_refused', 'overloaded'],
  }),
  profile: defineRoute({
    method: 'GET',
    path: '/auth/profile',
    summary: 'The signed-in user',
    access: 'user',
    responses: { 200: user },
    errors: ['not_found'],
  }),
  validate: defineRoute({
    method: 'GET',
    path: '/auth/validate',
    summary: 'The claims of a valid access token',
    access: 'user',
    responses: { 200: z.object({ valid: z.literal(true), claims }) },
  }),
  listSessions: defineRoute({
    method: 'GET',
    path: '/auth/sessions',
    summary: 'Where the caller is signed in, newest first',
    access: 'user',
    query: pageQuery(),
    responses: { 200: pageOf(session) },
  }),
  endSession: defineRoute({
    method: 'DELETE',
    path: '/auth/sessions/:id',
    summary: 'Ends one of the caller’s sessions',
    access: 'user',
    params: z.object({ id: uuid }),
    responses: { 204: null },
    errors: ['not_found'],
  }),
  jwks: defineRoute({
    method: 'GET',
    path: '/.well-known/jwks.json',
    summary: 'The public keys that access tokens are checked with',
    access: 'public',
    responses: { 200: jwks },
  }),
} as const

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
    reason: z.enum(['logout', 'logout_all', 'revoked', 'refresh_reused', 'password_reset']),
    timestamp,
  }),
  { summary: 'A session ended before its time', ...aboutSession },
)
export const refreshReused = defineEvent(
  'auth.refresh.reused.v1',
  z.object({ userId: uuid, sessionId: uuid, timestamp, ipAddress: z.string().nullable() }),
  { summary: 'A consumed refresh token was presented; its session was ended', ...aboutSession },
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
  userPasswordChanged,
  userLogin,
  userLoginFailed,
  sessionRevoked,
  refreshReused,
  mailRequested,
] as const
