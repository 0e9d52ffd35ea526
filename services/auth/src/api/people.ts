import { type Clock, err, ok, type Result } from '@ashlar/kernel'
import {
  answer,
  type Caller,
  type Cursors,
  type Handlers,
  type HttpResponse,
  type Refusal,
} from '@ashlar/platform/http'
import type { Actor } from '../application/authority.ts'
import type { ListPosition, UserFilter } from '../application/ports.ts'
import type { AuthVerbs } from '../application/verbs.ts'
import type { peopleRoutes } from '../contract/people.ts'
import type { UserId } from '../domain/account.ts'
import { managedUserBody, roleBody } from './bodies.ts'
import { emailOf, explainProtection, explainRights } from './refusals.ts'

const json = (status: number, value: unknown): HttpResponse => ({ status, body: value })
const noContent = (): HttpResponse => ({ status: 204 })

const actorOf = ({ userId, roles, permissions }: Caller): Actor => ({ id: userId as UserId, roles, permissions })

// The same that `recent` of a route means, which cannot ask it of some callers only.
const RECENT_SECONDS = 10 * 60
const isRecent = ({ authTime }: Caller, clock: Clock): boolean =>
  clock.now().getTime() / 1000 - authTime <= RECENT_SECONDS

/** Reads what `email=` asks for: a whole address in any spelling, or with `*` at its end the beginning of one. */
const emailFilterOf = (text: string): Result<UserFilter['email'], Refusal<'validation_failed'>> => {
  // No address ends with a star, so it means nothing else.
  if (text.endsWith('*')) return ok({ beginsWith: text.slice(0, -1).trimStart().normalize('NFC').toLowerCase() })
  const email = emailOf({ email: text }, '/query/email')
  return email.ok ? ok({ is: email.value }) : email
}

const positionOf = (
  cursors: Cursors,
  filter: unknown,
  cursor: string | undefined,
): Result<ListPosition | undefined, 'cursor_invalid'> => {
  if (cursor === undefined) return ok(undefined)
  const position = cursors.decode<[string, string]>(filter, cursor)
  return position.ok ? ok({ createdAt: new Date(position.value[0]), key: position.value[1] }) : position
}

const pageAnswer = (
  data: unknown[],
  cursors: Cursors,
  filter: unknown,
  next: ListPosition | undefined,
): HttpResponse => {
  const nextCursor = next ? cursors.encode(filter, [next.createdAt.toISOString(), next.key]) : null
  return json(200, { data, page: { nextCursor, hasMore: nextCursor !== null } })
}

type Deps = { auth: AuthVerbs; clock: Clock }

/** People and roles: parsed input in, use case, answer out. */
export const createPeopleHandlers = ({ auth, clock }: Deps): Handlers<typeof peopleRoutes> => ({
  listUsers: async ({ query: { limit, cursor, email, role, active }, cursors }) => {
    const wanted = email === undefined ? ok(undefined) : emailFilterOf(email)
    if (!wanted.ok) return wanted
    const filter: UserFilter = { email: wanted.value, role, isActive: active }
    const bound = JSON.parse(JSON.stringify(filter)) as unknown
    const after = positionOf(cursors, bound, cursor)
    if (!after.ok) return after
    const { users, next } = await auth.listUsers({ filter, limit, after: after.value })
    return ok(pageAnswer(users.map(managedUserBody), cursors, bound, next))
  },
  getUser: async ({ caller, params: { id } }) => {
    if (id !== caller.userId && !caller.permissions.includes('users:read')) return err('not_found')
    return answer(await auth.getProfile({ userId: id as UserId }), (account) => json(200, managedUserBody(account)))
  },
  deleteUser: async ({ caller, params: { id } }) => {
    if (!caller.permissions.includes('users:delete')) {
      if (id !== caller.userId) return err(caller.permissions.includes('users:read') ? 'forbidden' : 'not_found')
      if (!isRecent(caller, clock)) return err('reauthentication_required')
    }
    return answer(await auth.deleteUser({ actor: actorOf(caller), userId: id as UserId }), noContent)
  },
  activateUser: async ({ caller, params: { id } }) =>
    answer(await auth.activateUser({ actor: actorOf(caller), userId: id as UserId }), (account) =>
      json(200, managedUserBody(account)),
    ),
  deactivateUser: async ({ caller, params: { id } }) =>
    answer(await auth.deactivateUser({ actor: actorOf(caller), userId: id as UserId }), (account) =>
      json(200, managedUserBody(account)),
    ),
  setUserRoles: async ({ caller, params: { id }, body: { roles } }) => {
    const set = await auth.setUserRoles({ actor: actorOf(caller), userId: id as UserId, roles })
    return answer(explainRights(set, roles), (account) => json(200, managedUserBody(account)))
  },
  listRoles: async ({ query: { limit, cursor }, cursors }) => {
    const after = positionOf(cursors, 'roles', cursor)
    if (!after.ok) return after
    const { roles, next } = await auth.listRoles({ limit, after: after.value })
    return ok(pageAnswer(roles.map(roleBody), cursors, 'roles', next))
  },
  createRole: async ({ caller, body }) =>
    answer(explainRights(await auth.createRole({ actor: actorOf(caller), ...body })), (role) => ({
      ...json(201, roleBody(role)),
      headers: { location: `/roles/${role.name}` },
    })),
  updateRole: async ({ caller, params: { name }, body: { permissions } }) =>
    answer(
      explainProtection(explainRights(await auth.updateRole({ actor: actorOf(caller), name, permissions }))),
      (role) => json(200, roleBody(role)),
    ),
  deleteRole: async ({ caller, params: { name } }) => {
    const deleted = await auth.deleteRole({ actor: actorOf(caller), name })
    return answer(explainProtection(deleted), noContent)
  },
})
