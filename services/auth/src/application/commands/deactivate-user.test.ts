import { afterAll, beforeAll, expect, test } from 'vitest'
import { FINE, GONE, type Person, person, roleWith, standing } from '../../../test/people.ts'
import { PASSWORD, startAuth, type TestAuth } from '../../../test/support.ts'

let it: TestAuth
let root: Person
beforeAll(async () => {
  it = await startAuth()
  root = await person(it, 'root', 'admin')
})
afterAll(() => it.close())

const act = (verb: 'activate' | 'deactivate', id: string, { token } = root) =>
  it.post(`/users/${id}/${verb}`, undefined, token)

test('sessions end at once, nobody signs in, and coming back revives none of them', async () => {
  const ada = await person(it, 'ada')
  const second = await it.signIn(ada.email)
  const answer = await act('deactivate', ada.id)
  expect([answer.status, answer.body.isActive]).toEqual([200, false])
  for (const token of [ada.token, second.accessToken]) expect(await standing(it, token)).toEqual(GONE)
  expect((await it.post('/auth/refresh', { refreshToken: ada.refreshToken })).body.code).toBe('refresh_token_invalid')
  expect((await it.post('/auth/login', { email: ada.email, password: PASSWORD })).body.code).toBe('account_deactivated')

  expect((await act('activate', ada.id)).body.isActive).toBe(true)
  expect(await standing(it, ada.token)).toEqual(GONE)
  expect((await it.post('/auth/refresh', { refreshToken: second.refreshToken })).body.code).toBe(
    'refresh_token_invalid',
  )
  expect(await standing(it, (await it.signIn(ada.email)).accessToken)).toEqual(FINE)

  const told = (await it.events('user.deactivated')).concat(await it.events('user.activated'))
  expect(told.map(({ subject, sequence, data }) => [subject, sequence, Object.keys(data)])).toEqual([
    [ada.id, 3, ['userId', 'timestamp']],
    [ada.id, 4, ['userId', 'timestamp']],
  ])
  const ended = (await it.events('session.revoked')).filter(({ data }) => data.reason === 'deactivated')
  expect(ended.map(({ subject }) => subject).sort()).toEqual([ada.sessionId, second.sessionId].sort())
})

test('twice is as once, and tells of it once', async () => {
  const bob = await person(it, 'bob')
  const count = async () => (await it.events('user.deactivated')).length
  const before = await count()
  const answers = await Promise.all(Array.from({ length: 6 }, () => act('deactivate', bob.id)))
  expect(answers.map(({ status }) => status)).toEqual(Array(6).fill(200))
  expect(await count()).toBe(before + 1)
  expect((await act('activate', root.id)).status).toBe(200)
  expect(await standing(it, root.token)).toEqual(FINE)
})

test('whoever signs in at the same moment is in no session afterwards', async () => {
  const eve = await person(it, 'eve')
  const [, ...logins] = await Promise.all([
    act('deactivate', eve.id),
    ...Array.from({ length: 4 }, () => it.post('/auth/login', { email: eve.email, password: PASSWORD })),
    ...Array.from({ length: 2 }, () => it.post('/auth/refresh', { refreshToken: eve.refreshToken })),
  ])
  for (const { body } of logins) {
    if (body.accessToken) expect(await standing(it, body.accessToken)).toEqual(GONE)
  }
  expect(await it.sql('SELECT FROM sessions WHERE user_id = $1 AND ended_at IS NULL', [eve.id])).toEqual([])
})

test('one who signed in very often is told of in a bounded number of events, and every session ends', async () => {
  const busy = await person(it, 'busy')
  await it.sql(
    `INSERT INTO sessions (id, user_id, amr, auth_time, created_at, absolute_expires_at)
     SELECT gen_random_uuid(), $1, '{pwd}', now(), now(), now() + interval '90 days' FROM generate_series(1, 1000)`,
    [busy.id],
  )
  const { lastSequence } = await it.auth.revocationsSince(0)
  expect((await act('deactivate', busy.id)).status).toBe(200)
  expect((await it.auth.revocationsSince(lastSequence)).rows).toHaveLength(1_001)
  const ended = (await it.events('session.revoked')).filter(({ data }) => data.userId === busy.id)
  expect(ended).toHaveLength(100)
})

test('nobody acts on one who holds more, and without the permission on nobody', async () => {
  await roleWith(it, 'guard', 'users:write')
  const guard = await person(it, 'guard', 'guard')
  const sam = await person(it, 'sam', 'support')
  const plain = await person(it, 'plain')
  for (const verb of ['activate', 'deactivate'] as const) {
    expect((await act(verb, root.id, guard)).body.code).toBe('forbidden')
    expect((await act(verb, sam.id, guard)).body.code).toBe('forbidden')
    expect((await act(verb, plain.id, plain)).body.code).toBe('forbidden')
    expect((await act(verb, '01930000-0000-7000-8000-000000000000')).body.code).toBe('not_found')
  }
  expect(await standing(it, sam.token)).toEqual(FINE)
  expect((await act('deactivate', plain.id, guard)).status).toBe(200)
})
