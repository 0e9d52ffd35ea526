import { eventually } from '@ashlar/platform/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startAuth, type TestAuth } from '../../../test/support.ts'

let it: TestAuth
beforeAll(async () => {
  it = await startAuth()
  for (const name of ['ada', 'bob', 'eve']) await it.signUp(`${name}@example.test`)
})
afterAll(() => it.close())

const profile = async (token: string) => {
  const { status, body } = await it.get('/auth/profile', token)
  return [status, body.code]
}
const GONE = [401, 'access_token_invalid']
const FINE = [200, undefined]

test('logout ends this session before it answers, and no other', async () => {
  const [one, two] = [await it.signIn('ada@example.test'), await it.signIn('ada@example.test')]
  expect(await profile(one.accessToken)).toEqual(FINE)
  expect((await it.post('/auth/logout', undefined, one.accessToken)).status).toBe(204)
  expect(await profile(one.accessToken)).toEqual(GONE)
  expect((await it.post('/auth/refresh', { refreshToken: one.refreshToken })).body.code).toBe('refresh_token_invalid')
  expect(await profile(two.accessToken)).toEqual(FINE)
  const [told] = (await it.events('session.revoked')).filter(({ subject }) => subject === one.sessionId)
  expect(told).toMatchObject({ data: { reason: 'logout' }, actor: expect.stringMatching(/^user:/) })
})

test('logout-all ends every session of the user and nobody else’s', async () => {
  const all = [
    await it.signIn('bob@example.test'),
    await it.signIn('bob@example.test'),
    await it.signIn('bob@example.test'),
  ]
  const other = await it.signIn('eve@example.test')
  expect((await it.post('/auth/logout-all', undefined, all[1]?.accessToken)).status).toBe(204)
  for (const { accessToken } of all) expect(await profile(accessToken)).toEqual(GONE)
  expect(await profile(other.accessToken)).toEqual(FINE)
  const rows = await it.sql('SELECT DISTINCT end_reason FROM sessions WHERE id = ANY ($1)', [
    all.map((s) => s.sessionId),
  ])
  expect(rows).toEqual([{ end_reason: 'logout_all' }])
})

test('logouts and logout-alls at once end without a deadlock, each revocation with a sequence of its own', async () => {
  const all = await Promise.all(Array.from({ length: 12 }, () => it.signIn('eve@example.test')))
  const answers = await Promise.all(
    all.map(({ accessToken }, i) => it.post(i % 2 ? '/auth/logout' : '/auth/logout-all', undefined, accessToken)),
  )
  for (const { status } of answers) expect([204, 401]).toContain(status)
  for (const { accessToken } of all) expect(await profile(accessToken)).toEqual(GONE)
  const rows = await it.sql<{ sequence: bigint; session_id: string }>('SELECT * FROM revocations ORDER BY sequence')
  expect(rows.map(({ sequence }) => Number(sequence))).toEqual(rows.map((_, i) => i + 1))
  expect(new Set(rows.map((row) => row.session_id)).size).toBe(rows.length)
})

test('sessions are listed newest first, page by page, and one of them can be ended', async () => {
  await it.signUp('list@example.test')
  const made = []
  for (let i = 0; i < 5; i++) {
    // Two at the same instant: ties must neither repeat nor vanish between pages.
    if (i % 2 === 0) it.clock.advance(1_000)
    made.push(await it.signIn('list@example.test'))
  }
  const [first, , , , last] = made
  const token = last?.accessToken
  const seen: string[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const page: Awaited<ReturnType<TestAuth['get']>> = await it.get(
      `/auth/sessions?limit=2${cursor && `&cursor=${cursor}`}`,
      token,
    )
    seen.push(...page.body.data.map(({ id }: { id: string }) => id))
    cursor = page.body.page.nextCursor
    expect(page.body.page.hasMore).toBe(cursor !== null)
  }
  expect(new Set(seen)).toEqual(new Set(made.map(({ sessionId }) => sessionId)))
  expect(seen).toHaveLength(5)
  expect(seen[0]).toBe(last?.sessionId)

  const { data } = (await it.get('/auth/sessions', token)).body
  expect(data.filter(({ current }: { current: boolean }) => current).map(({ id }: { id: string }) => id)).toEqual([
    last?.sessionId,
  ])
  expect((await it.call('DELETE', `/auth/sessions/${first?.sessionId}`, { token })).status).toBe(204)
  expect(await profile(first?.accessToken ?? '')).toEqual(GONE)
  expect((await it.get('/auth/sessions', token)).body.data).toHaveLength(4)
})

test('a session of somebody else, an ended one and a malformed id are all not found', async () => {
  const mine = await it.signIn('ada@example.test')
  const theirs = await it.signIn('list@example.test')
  for (const id of [theirs.sessionId, '01930000-0000-7000-8000-000000000000', 'not-an-id']) {
    const answer = await it.call('DELETE', `/auth/sessions/${id}`, { token: mine.accessToken })
    expect([answer.status, answer.body.code]).toEqual([404, 'not_found'])
  }
  expect(await profile(theirs.accessToken)).toEqual(FINE)
  const cursor = (await it.get('/auth/sessions?limit=1', theirs.accessToken)).body.page.nextCursor
  expect((await it.get(`/auth/sessions?limit=1&cursor=${cursor}`, mine.accessToken)).body.code).toBe('cursor_invalid')
})

test('a crash between the commit and the announcement is healed within a second', async () => {
  const { accessToken } = await it.signIn('ada@example.test')
  it.runtime.faults.throwAt('auth.commit.after')
  expect((await it.post('/auth/logout', undefined, accessToken)).status).toBe(500)
  await eventually(async () => expect(await profile(accessToken)).toEqual(GONE), 1_500)
})

test('what another process revokes is in force here within a second', async () => {
  const other = await startAuth({}, { database: it.database })
  try {
    const { accessToken } = await it.signIn('ada@example.test')
    expect((await other.get('/auth/profile', accessToken)).status).toBe(200)
    expect((await other.post('/auth/logout', undefined, accessToken)).status).toBe(204)
    await eventually(async () => expect(await profile(accessToken)).toEqual(GONE), 1_500)
  } finally {
    await other.close()
  }
})

test('a process knows what was revoked before it started', async () => {
  const { accessToken } = await it.signIn('ada@example.test')
  await it.post('/auth/logout', undefined, accessToken)
  const late = await startAuth({}, { database: it.database })
  try {
    expect((await late.get('/auth/profile', accessToken)).status).toBe(401)
  } finally {
    await late.close()
  }
})

test.each(['/auth/logout', '/auth/logout-all'])('%s needs a token', async (path) => {
  expect((await it.post(path)).body.code).toBe('access_token_invalid')
})
