import { afterAll, beforeAll, expect, test } from 'vitest'
import { FINE, GONE, type Person, person, roleWith, signedIn, standing } from '../../../test/people.ts'
import { PASSWORD, startAuth, type TestAuth } from '../../../test/support.ts'

let it: TestAuth
let root: Person
beforeAll(async () => {
  it = await startAuth()
  root = await person(it, 'root', 'admin')
})
afterAll(() => it.close())

const remove = (id: string, token: string) => it.call('DELETE', `/users/${id}`, { token })

/** Tables of which a row mentions one of the texts, in whatever column. */
const mentions = async (...texts: string[]): Promise<string[]> => {
  const tables = await it.sql<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`,
  )
  const looks = tables.map(({ name }) => `SELECT '${name}' AS name FROM ${name} AS t WHERE t::text ILIKE ANY ($1)`)
  const rows = await it.sql<{ name: string }>(looks.join(' UNION '), [texts.map((text) => `%${text}%`)])
  return rows.map(({ name }) => name)
}

test('whoever deletes himself is refused on the next request, and nothing of him is left but the revocation', async () => {
  const ada = await person(it, 'ada', 'support')
  await it.call('PATCH', '/auth/profile', { body: { firstName: 'Augusta', lastName: 'Lovelace' }, token: ada.token })
  const second = await it.signIn(ada.email)
  await it.sql(`INSERT INTO reset_tokens VALUES (decode(md5('x'), 'hex'), $1, now(), now() + interval '1 day')`, [
    ada.id,
  ])
  await it.events('user.updated')
  expect(await mentions('augusta', ada.email)).toEqual(['users'])

  expect((await remove(ada.id, ada.token)).status).toBe(204)
  for (const token of [ada.token, second.accessToken]) expect(await standing(it, token)).toEqual(GONE)
  for (const { refreshToken } of [ada, second]) {
    expect((await it.post('/auth/refresh', { refreshToken })).body.code).toBe('refresh_token_invalid')
  }
  const told = (await it.events('user.deleted')).at(-1)
  expect(told).toMatchObject({ subject: ada.id, sequence: 4, actor: `user:${ada.id}` })
  expect(Object.keys(told?.data)).toEqual(['userId', 'timestamp'])
  expect(await mentions('augusta', 'lovelace', ada.email, ada.id)).toEqual([])
  expect(await mentions(ada.sessionId, second.sessionId)).toEqual(['revocations'])
})

test('twice is not found, and the address begins a new life with a new id', async () => {
  const bob = await person(it, 'bob')
  expect((await remove(bob.id, root.token)).status).toBe(204)
  const again = await remove(bob.id, root.token)
  expect([again.status, again.body.code]).toEqual([404, 'not_found'])
  expect((await it.get(`/users/${bob.id}`, root.token)).status).toBe(404)
  expect((await it.post('/auth/login', { email: bob.email, password: PASSWORD })).body.code).toBe('credentials_invalid')

  const { id } = await it.signUp(bob.email)
  expect(id).not.toBe(bob.id)
  expect(await standing(it, (await signedIn(it, bob.email)).token)).toEqual(FINE)
  expect(await standing(it, bob.token)).toEqual(GONE)
})

test('an account that was never proven goes with its claims', async () => {
  await it.post('/auth/register', { email: 'claimed@example.test', password: PASSWORD, firstName: 'Stranger' })
  const [link] = await it.mailedTokens('claimed@example.test')
  const [row] = await it.sql<{ id: string }>(`SELECT id FROM users WHERE email = 'claimed@example.test'`)
  expect((await remove(row?.id ?? '', root.token)).status).toBe(204)
  expect((await it.post('/auth/verify-email', { token: link })).body.code).toBe('token_invalid')
  expect(await mentions('claimed@example.test', 'stranger')).toEqual([])
})

test('oneself only after a recent sign-in, others by the permission alone', async () => {
  const eve = await person(it, 'eve')
  it.clock.advance(10 * 60_000 + 1_000)
  const answer = await remove(eve.id, eve.token)
  expect([answer.status, answer.body.code]).toEqual([403, 'reauthentication_required'])
  expect((await remove(eve.id, root.token)).status).toBe(204)
  Object.assign(root, await signedIn(it, root.email))
})

test('whoever may not is told no more than he may see', async () => {
  const [plain, other, sam] = [await person(it, 'plain'), await person(it, 'other'), await person(it, 'sam', 'support')]
  expect((await remove(other.id, plain.token)).body.code).toBe('not_found')
  expect((await remove(other.id, sam.token)).body.code).toBe('forbidden')
  await roleWith(it, 'remover', 'users:delete')
  const remover = await person(it, 'remover', 'remover')
  expect((await remove(sam.id, remover.token)).body.code).toBe('forbidden')
  expect((await remove(other.id, remover.token)).status).toBe(204)
  expect((await remove('not-an-id', root.token)).body.code).toBe('not_found')
})

test('whatever a person does while he is deleted, he is gone afterwards', async () => {
  for (let round = 0; round < 3; round++) {
    const max = await person(it, `max${round}`)
    const answers = await Promise.all([
      remove(max.id, root.token),
      remove(max.id, max.token),
      it.post('/auth/login', { email: max.email, password: PASSWORD }),
      it.post('/auth/refresh', { refreshToken: max.refreshToken }),
      it.call('PATCH', '/auth/profile', { body: { firstName: 'Max' }, token: max.token }),
      it.call('PUT', `/users/${max.id}/roles`, { body: { roles: ['auditor'] }, token: root.token }),
      it.post(`/users/${max.id}/deactivate`, undefined, root.token),
      it.post('/auth/logout-all', undefined, max.token),
    ])
    for (const { status } of answers) expect(status).toBeLessThan(500)
    expect(await it.sql('SELECT FROM users WHERE id = $1', [max.id])).toEqual([])
    expect(await it.sql('SELECT FROM sessions WHERE user_id = $1', [max.id])).toEqual([])
    for (const { body } of answers) {
      if (body?.accessToken) expect(await standing(it, body.accessToken)).toEqual(GONE)
    }
    expect((await it.events('user.deleted')).filter(({ subject }) => subject === max.id)).toHaveLength(1)
  }
})

test('people who delete themselves while a role of theirs is removed do not cross with it', async () => {
  for (let round = 0; round < 4; round++) {
    const role = `crossing-${round}`
    await roleWith(it, role)
    const members = []
    for (const name of ['a', 'b', 'c', 'd']) members.push(await person(it, `${role}-${name}`, role))
    const removals = members.map(
      ({ id, token }) =>
        () =>
          remove(id, token),
    )
    removals.splice(2, 0, () => it.call('DELETE', `/roles/${role}`, { token: root.token }))
    const answers = await Promise.all(removals.map((act) => act()))
    expect(answers.map(({ status }) => status)).toEqual([204, 204, 204, 204, 204])
  }
})
