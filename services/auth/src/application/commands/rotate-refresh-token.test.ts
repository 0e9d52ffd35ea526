import { afterAll, beforeAll, expect, test } from 'vitest'
import { startAuth, type TestAuth } from '../../../test/support.ts'

let it: TestAuth
beforeAll(async () => {
  it = await startAuth()
})
afterAll(() => it.close())

const DAY = 86_400_000
const refresh = (refreshToken: string) => it.post('/auth/refresh', { refreshToken })
const outcome = ({ status, body }: { status: number; body: { code?: string } }) => [status, body.code]
const reuses = async (sessionId: string) =>
  (await it.events('auth.refresh.reused')).filter((e) => e.subject === sessionId)
const lineage = (sessionId: string) =>
  it.sql(
    'SELECT * FROM refresh_tokens WHERE session_id = $1 ORDER BY consumed_at NULLS LAST, predecessor_hash NULLS FIRST',
    [sessionId],
  )

const signIn = async (email: string) => {
  await it.signUp(email)
  return it.signIn(email)
}

test('a refresh gives a new pair of the same session, and slides its expiry', async () => {
  const first = await signIn('ada@example.test')
  it.clock.advance(DAY)
  const answer = await refresh(first.refreshToken)
  expect(answer.status).toBe(200)
  const { accessToken, refreshToken, ...rest } = answer.body
  expect(rest).toEqual({
    tokenType: 'Bearer',
    expiresIn: 900,
    refreshExpiresIn: 30 * 86_400,
    sessionId: first.sessionId,
  })
  expect(refreshToken).not.toBe(first.refreshToken)
  const { claims } = (await it.get('/auth/validate', accessToken)).body
  expect(claims.auth_time).toBe(claims.iat - 86_400)
})

test('fifty uses at once end in one lineage, every answer carrying the same successor', async () => {
  const first = await signIn('fifty@example.test')
  const answers = await Promise.all(Array.from({ length: 50 }, () => refresh(first.refreshToken)))
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]))
  const successors = new Set(answers.map(({ body }) => body.refreshToken))
  expect(successors.size).toBe(1)
  expect(await lineage(first.sessionId)).toHaveLength(2)

  // Each of the fifty clients can go on, and none was signed out.
  for (const { body } of answers.slice(0, 3)) expect((await it.get('/auth/profile', body.accessToken)).status).toBe(200)
  expect((await refresh([...successors][0] as string)).status).toBe(200)
  expect(await reuses(first.sessionId)).toEqual([])
})

test('the grace replays the same successor, then the same token is reuse and the session dies at once', async () => {
  const first = await signIn('grace@example.test')
  const second = (await refresh(first.refreshToken)).body
  it.clock.advance(30_000)
  const replayed = await refresh(first.refreshToken)
  expect(replayed.body.refreshToken).toBe(second.refreshToken)
  expect(replayed.body.refreshExpiresIn).toBe(30 * 86_400 - 30)
  expect((await it.get('/auth/profile', replayed.body.accessToken)).status).toBe(200)

  it.clock.advance(1)
  expect(outcome(await refresh(first.refreshToken))).toEqual([401, 'refresh_token_reused'])
  // The very next request: no wait, no retry.
  expect(outcome(await it.get('/auth/profile', replayed.body.accessToken))).toEqual([401, 'access_token_invalid'])
  expect(outcome(await refresh(second.refreshToken))).toEqual([401, 'refresh_token_invalid'])

  const [session] = await it.sql('SELECT * FROM sessions WHERE id = $1', [first.sessionId])
  expect(session).toMatchObject({ ended_at: it.clock.now(), end_reason: 'refresh_reused' })
  const told = await reuses(first.sessionId)
  expect(told.map(({ data }) => data.userId)).toEqual([session?.user_id])
  const revoked = (await it.events('session.revoked')).filter(({ subject }) => subject === first.sessionId)
  expect(revoked.map(({ data }) => data.reason)).toEqual(['refresh_reused'])
})

test('presenting the successor ends the grace of the token before it', async () => {
  const first = await signIn('successor@example.test')
  const second = (await refresh(first.refreshToken)).body
  const third = (await refresh(second.refreshToken)).body
  const [oldest] = await lineage(first.sessionId)
  expect(oldest?.successor_sealed).toBeNull()
  // Within the thirty seconds, but somebody holds the successor already.
  expect(outcome(await refresh(first.refreshToken))).toEqual([401, 'refresh_token_reused'])
  expect(outcome(await refresh(third.refreshToken))).toEqual([401, 'refresh_token_invalid'])
})

test('a thief who repeats himself is refused alike and told of once', async () => {
  const first = await signIn('thief@example.test')
  await refresh(first.refreshToken)
  it.clock.advance(31_000)
  const answers = await Promise.all(Array.from({ length: 10 }, () => refresh(first.refreshToken)))
  expect(new Set(answers.map(({ body }) => body.code))).toEqual(new Set(['refresh_token_reused']))
  expect(await reuses(first.sessionId)).toHaveLength(1)
})

test('reuse kills one session, not the others of its user', async () => {
  const stolen = await signIn('two@example.test')
  const other = await it.signIn('two@example.test')
  await refresh(stolen.refreshToken)
  it.clock.advance(31_000)
  await refresh(stolen.refreshToken)
  expect((await it.get('/auth/profile', other.accessToken)).status).toBe(200)
  expect((await refresh(other.refreshToken)).status).toBe(200)
})

test('reuse is told from garbage until the absolute expiry, long after the token’s own', async () => {
  const first = await signIn('long@example.test')
  let newest = first.refreshToken
  for (let day = 0; day < 75; day += 25) {
    newest = (await refresh(newest)).body.refreshToken
    it.clock.advance(25 * DAY)
  }
  expect(outcome(await refresh('garbage'))).toEqual([401, 'refresh_token_invalid'])
  expect(outcome(await refresh(first.refreshToken))).toEqual([401, 'refresh_token_reused'])
  expect(outcome(await refresh(newest))).toEqual([401, 'refresh_token_invalid'])
})

test('a session ends unused after 30 days, and used after 90', async () => {
  const idle = await signIn('idle@example.test')
  const busy = await signIn('busy@example.test')
  let newest = busy.refreshToken
  for (let day = 0; day < 87; day += 29) {
    it.clock.advance(29 * DAY)
    const answer = await refresh(newest)
    expect(answer.status).toBe(200)
    newest = answer.body.refreshToken
    if (day === 58) expect(answer.body.refreshExpiresIn).toBe(3 * 86_400)
  }
  expect(outcome(await refresh(idle.refreshToken))).toEqual([401, 'refresh_token_invalid'])
  it.clock.advance(3 * DAY)
  expect(outcome(await refresh(newest))).toEqual([401, 'refresh_token_invalid'])
})

test('nothing that is stored opens the successor', async () => {
  const first = await signIn('sealed@example.test')
  const second = (await refresh(first.refreshToken)).body
  const [consumed] = await lineage(first.sessionId)
  const sealed = consumed?.successor_sealed as Buffer
  expect(sealed.includes(Buffer.from(second.refreshToken))).toBe(false)
  const bound = { table: 'refresh_tokens', column: 'successor_sealed', row: consumed?.token_hash.toString('hex') }
  expect(() => it.runtime.keys.open('refresh-successor', sealed, bound)).toThrow()
})

test('rotation, replay and reuse racing each other leave one lineage or a dead one, never two', async () => {
  const first = await signIn('storm@example.test')
  const second = (await refresh(first.refreshToken)).body
  const answers = await Promise.all(
    Array.from({ length: 30 }, (_, i) => refresh(i % 2 === 0 ? first.refreshToken : second.refreshToken)),
  )
  for (const answer of answers) expect([200, 401]).toContain(answer.status)
  const open = (await lineage(first.sessionId)).filter(({ consumed_at }) => consumed_at === null)
  expect(open).toHaveLength(1)
})
