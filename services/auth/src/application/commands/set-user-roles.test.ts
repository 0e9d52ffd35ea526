import { afterAll, beforeAll, expect, test } from 'vitest'
import { FINE, type Person, person, refreshed, roleWith, STALE, signedIn, standing } from '../../../test/people.ts'
import { startAuth, type TestAuth } from '../../../test/support.ts'
import type { UserId } from '../../domain/account.ts'
import { ADMINISTRATOR_PERMISSIONS } from '../../domain/rights.ts'

let it: TestAuth
let root: Person
let ada: Person
beforeAll(async () => {
  it = await startAuth()
  root = await person(it, 'root', 'admin')
  ada = await person(it, 'ada')
})
afterAll(() => it.close())

const put = (id: string, roles: unknown, token = root.token) =>
  it.call('PUT', `/users/${id}/roles`, { body: { roles }, token })
const codeOf = async (answer: ReturnType<typeof put>) => {
  const { status, body } = await answer
  return [status, body.code]
}

test('new roles make every token of the user stale at once, and a refresh carries the new rights', async () => {
  const second = { ...ada, ...(await signedIn(it, ada.email)) }
  const answer = await put(ada.id, ['auditor', 'user', 'auditor'])
  expect(answer.status).toBe(200)
  expect(answer.body).toMatchObject({ id: ada.id, roles: ['auditor', 'user'], isActive: true })
  expect(answer.body.permissions).toContain('audit:read')
  expect(await standing(it, ada.token)).toEqual(STALE)
  expect(await standing(it, second.token)).toEqual(STALE)
  expect(await standing(it, root.token)).toEqual(FINE)

  const token = await refreshed(it, ada)
  const { claims } = (await it.get('/auth/validate', token)).body
  expect(claims.roles).toEqual(['auditor', 'user'])
  expect(claims.permissions).toContain('audit:read')
  expect(await standing(it, await refreshed(it, second))).toEqual(FINE)
  const told = (await it.events('user.updated')).filter(({ subject }) => subject === ada.id)
  expect(told.at(-1)).toMatchObject({ data: { roles: ['auditor', 'user'] }, actor: `user:${root.id}` })
})

test('the same roles again change nothing', async () => {
  const bob = await person(it, 'bob')
  expect((await put(bob.id, ['user'])).status).toBe(200)
  expect(await standing(it, bob.token)).toEqual(FINE)
  expect((await it.events('user.updated')).filter(({ subject }) => subject === bob.id)).toEqual([])
})

test('a role that does not exist is named, and nothing is stored', async () => {
  const answer = await put(ada.id, ['user', 'no-such-role'])
  expect([answer.status, answer.body.code]).toEqual([400, 'validation_failed'])
  expect(answer.body.errors).toMatchObject([{ pointer: '/roles/1', code: 'role_unknown' }])
  expect((await it.get(`/users/${ada.id}`, root.token)).body.roles).toEqual(['auditor', 'user'])
})

test('nobody grants what he does not hold, nor takes from one who holds more', async () => {
  await roleWith(it, 'chief', 'roles:assign', 'users:read', 'audit:read')
  const chief = await person(it, 'chief', 'chief')
  const eve = await person(it, 'eve')
  expect(await codeOf(put(eve.id, ['user', 'support'], chief.token))).toEqual([403, 'forbidden'])
  expect(await codeOf(put(chief.id, ['user', 'chief', 'admin'], chief.token))).toEqual([403, 'forbidden'])
  expect(await codeOf(put(root.id, ['user'], chief.token))).toEqual([403, 'forbidden'])
  expect(await codeOf(put(eve.id, ['user', 'chief'], chief.token))).toEqual([200, undefined])
  // What he takes away he must hold too, as must the rest of it be his equal's.
  const sam = await person(it, 'sam', 'support', 'chief')
  expect(await codeOf(put(sam.id, ['user', 'support'], chief.token))).toEqual([403, 'forbidden'])
  expect((await it.get(`/users/${sam.id}`, root.token)).body.roles).toEqual(['chief', 'support', 'user'])
  // His own he may lay down.
  expect(await codeOf(put(chief.id, ['user'], chief.token))).toEqual([200, undefined])
})

test('a request that was let in before its caller lost his rights goes no further', async () => {
  const [late, victim] = [await person(it, 'late'), await person(it, 'victim')]
  const as = <T>(work: () => T): T => it.runtime.as(work, { type: 'user', id: late.id })
  const actor = { id: late.id as UserId, roles: ['admin'], permissions: [...ADMINISTRATOR_PERMISSIONS] }
  const about = { actor, userId: victim.id as UserId }
  const attempts = await Promise.all([
    as(() => it.auth.setUserRoles({ ...about, roles: ['support'] })),
    as(() => it.auth.deactivateUser(about)),
    as(() => it.auth.activateUser(about)),
    as(() => it.auth.deleteUser(about)),
    as(() => it.auth.createRole({ actor, name: 'late', permissions: ['orders:read'] })),
    as(() => it.auth.updateRole({ actor, name: 'support', permissions: [] })),
    as(() => it.auth.deleteRole({ actor, name: 'support' })),
  ])
  for (const attempt of attempts) expect(attempt).toEqual({ ok: false, error: 'forbidden' })
  expect(await standing(it, victim.token)).toEqual(FINE)
})

test('without the permission 403, for a stranger’s id 404', async () => {
  expect(await codeOf(put(root.id, ['user'], (await person(it, 'plain')).token))).toEqual([403, 'forbidden'])
  expect(await codeOf(put('01930000-0000-7000-8000-000000000000', ['user']))).toEqual([404, 'not_found'])
  expect(await codeOf(put('me', ['user']))).toEqual([404, 'not_found'])
})

test.each([[['User']], [['a b']], [[{ name: 'user' }]], ['user'], [Array(21).fill('user')]])(
  'refused as roles: %j',
  async (roles) => expect(await codeOf(put(ada.id, roles))).toEqual([400, 'validation_failed']),
)

test('rights that no token could carry are refused', async () => {
  const names = (from: number) =>
    Array.from({ length: 60 }, (_, i) => `area-${from + i}:a-long-action-name-${from + i}`)
  for (const [name, from] of [
    ['wide', 1_000],
    ['wider', 2_000],
  ] as const)
    await roleWith(it, name, ...names(from))
  const wide = await person(it, 'wide')
  expect((await put(wide.id, ['wide'])).status).toBe(200)
  const answer = await put(wide.id, ['wide', 'wider'])
  expect([answer.status, answer.body.errors[0].code]).toEqual([400, 'rights_too_large'])
  expect(await standing(it, await refreshed(it, wide))).toEqual(FINE)
})

test('a refresh beside the change never ends with old rights that pass', async () => {
  const max = await person(it, 'max')
  for (const role of ['auditor', 'support', 'auditor']) {
    const [token] = await Promise.all([refreshed(it, max), put(max.id, ['user', role])])
    const [status, code] = await standing(it, token)
    const { roles } = (await it.get('/auth/validate', token)).body.claims ?? {}
    if (status === 200) expect(roles).toEqual([role, 'user'])
    else expect([status, code]).toEqual(STALE)
    Object.assign(max, await signedIn(it, max.email))
  }
})
