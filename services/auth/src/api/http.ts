import { type Clock, ok } from '@ashlar/kernel'
import { answer, type Caller, type Handlers, type HttpResponse, ifMatch } from '@ashlar/platform/http'
import type { JSONWebKeySet } from 'jose'
import type { AuthVerbs } from '../application/verbs.ts'
import type { authRoutes } from '../contract.ts'
import type { Account, SessionId, UserId } from '../domain/account.ts'
import { etagOf, pairBody, sessionBody, userBody } from './bodies.ts'
import { createPeopleHandlers } from './people.ts'
import { emailOf, explainLimit, explainPassword } from './refusals.ts'

type Deps = {
  auth: AuthVerbs
  jwks: () => Promise<JSONWebKeySet>
  /** How long the key set may be remembered. */
  jwksSeconds: number
  accessTokenSeconds: number
  clock: Clock
}

const json = (status: number, value: unknown): HttpResponse => ({ status, body: value })
const profileAnswer = (account: Account): HttpResponse => ({
  ...json(200, userBody(account)),
  headers: { etag: etagOf(account) },
})
const noContent = (): HttpResponse => ({ status: 204 })
const mailed = (): HttpResponse =>
  json(202, { message: 'If this address can be used here, a mail is on its way to it.' })

const idOf = ({ userId }: Caller): UserId => userId as UserId
const sessionOf = ({ sessionId }: Caller): SessionId => sessionId as SessionId
const agentOf = (userAgent: string | undefined): string | null => userAgent?.slice(0, 512) ?? null

/** What it answers about a token never changes while the token is good, so it is written once per token. */
const createValidate = (): Handlers<typeof authRoutes>['validate'] => {
  const answers = new WeakMap<object, HttpResponse>()
  return async ({ caller: { claims } }) => {
    const known = answers.get(claims) ?? json(200, Object.freeze({ valid: true, claims }))
    answers.set(claims, known)
    return ok(known)
  }
}

/** Every route of auth: parsed input in, use case, answer out. */
export const createHandlers = ({
  auth,
  jwks,
  jwksSeconds,
  accessTokenSeconds,
  clock,
}: Deps): Handlers<typeof authRoutes> => ({
  register: async ({ body }) => {
    const email = emailOf(body)
    if (!email.ok) return email
    const { password, firstName, lastName } = body
    const names = { firstName: firstName ?? null, lastName: lastName ?? null }
    const registered = await auth.registerUser({ email: email.value, password, ...names })
    return answer(explainPassword(registered, '/password'), mailed)
  },
  verifyEmail: async ({ body: { token } }) =>
    answer(await auth.verifyEmail({ token }), (account) => json(200, { user: userBody(account) })),
  resendVerification: async ({ body }) => {
    const email = emailOf(body)
    if (!email.ok) return email
    return answer(await auth.requestForAddress({ kind: 'verification_resend', email: email.value }), mailed)
  },
  login: async ({ body: credentials, ip, userAgent }) => {
    const email = emailOf(credentials)
    if (!email.ok) return email
    const { password } = credentials
    const session = await auth.login({ email: email.value, password, ip, userAgent: agentOf(userAgent) })
    return answer(explainLimit(session), (pair) =>
      json(200, { ...pairBody(pair, accessTokenSeconds), user: userBody(pair.user) }),
    )
  },
  refresh: async ({ body: { refreshToken }, ip }) =>
    answer(await auth.rotateRefreshToken({ refreshToken, ip }), (pair) =>
      json(200, pairBody(pair, accessTokenSeconds)),
    ),
  logout: async ({ caller }) => {
    // Ended by somebody else in this very moment: the caller has what he asked for.
    await auth.endSessions({ userId: idOf(caller), id: sessionOf(caller), reason: 'logout' })
    return ok(noContent())
  },
  logoutAll: async ({ caller }) => {
    await auth.endSessions({ userId: idOf(caller), reason: 'logout_all' })
    return ok(noContent())
  },
  forgotPassword: async ({ body }) => {
    const email = emailOf(body)
    if (!email.ok) return email
    return answer(await auth.requestForAddress({ kind: 'password_forgot', email: email.value }), mailed)
  },
  resetPassword: async ({ body, ip }) =>
    answer(explainPassword(await auth.resetPassword({ ...body, ip }), '/newPassword'), noContent),
  changePassword: async ({ caller, body, ip }) => {
    const changed = await auth.changePassword({ userId: idOf(caller), sessionId: sessionOf(caller), ...body, ip })
    return answer(explainPassword(explainLimit(changed), '/newPassword'), noContent)
  },
  profile: async ({ caller }) => answer(await auth.getProfile({ userId: idOf(caller) }), profileAnswer),
  updateProfile: async ({ caller, body, headers }) =>
    answer(
      await auth.updateProfile({
        userId: idOf(caller),
        ...body,
        condition: (account) => ifMatch(headers, etagOf(account)),
      }),
      profileAnswer,
    ),
  validate: createValidate(),
  listSessions: async ({ caller, query: { limit, cursor }, cursors }) => {
    const userId = idOf(caller)
    const position = cursor === undefined ? undefined : cursors.decode<[string, string]>({ userId }, cursor)
    if (position && !position.ok) return position
    const after = position && { createdAt: new Date(position.value[0]), id: position.value[1] }
    const { sessions, next } = await auth.listSessions({ userId, limit, after })
    const nextCursor = next ? cursors.encode({ userId }, [next.createdAt.toISOString(), next.id]) : null
    const data = sessions.map((session) => sessionBody(session, caller.sessionId))
    return ok(json(200, { data, page: { nextCursor, hasMore: nextCursor !== null } }))
  },
  endSession: async ({ caller, params: { id } }) =>
    answer(await auth.endSessions({ userId: idOf(caller), id: id as SessionId, reason: 'revoked' }), noContent),
  jwks: async () =>
    ok({ status: 200, body: await jwks(), headers: { 'cache-control': `public, max-age=${jwksSeconds}` } }),
  ...createPeopleHandlers({ auth, clock }),
})
