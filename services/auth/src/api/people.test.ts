import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Person, person } from '../../test/people.ts'
import { PASSWORD, startAuth, type TestAuth } from '../../test/support.ts'

let it: TestAuth
let root: Person
let ada: Person
beforeAll(async () => {
  it = await startAuth()
  root = await person(it, 'root', 'admin')
  it.clock.advance(1_000)
  ada = await person(it, 'ada', 'support')
  it.clock.advance(1_000)
  // Three of one instant: ties must neither repeat nor vanish between pages.
  for (const name of ['adam', 'bob', 'ADELE']) {
    await it.post('/auth/register', { email: `${name}@Example.test`, password: PASSWORD })
  }
  await it.sql(`UPDATE users SET is_active = false WHERE email = 'bob@example.test'`)
})
afterAll(() => it.close())

type Listed = { email: string; id: string }
const list = async (query = '', token = root.token) => it.get(`/users${query}`, token)
const emails = async (query: string): Promise<string[]> =>
  (await list(query)).body.data.map(({ email }: Listed) => email.replace('@example.test', ''))

test('everybody is listed newest first, page by page', async () => {
  const seen: Listed[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const page: Awaited<ReturnType<typeof list>> = await list(`?limit=2${cursor && `&cursor=${cursor}`}`)
    seen.push(...page.body.data)
    cursor = page.body.page.nextCursor
    expect(page.headers.get('link') === null).toBe(cursor === null)
  }
  const names = seen.map(({ email }) => email.replace('@example.test', ''))
  expect(names.slice(0, 3).toSorted()).toEqual(['adam', 'adele', 'bob'])
  expect(names.slice(3)).toEqual(['ada', 'root'])
})

test('a user is told with his rights and whether he is active', async () => {
  const { body } = await it.get(`/users/${ada.id}`, root.token)
  expect(body).toMatchObject({ id: ada.id, email: ada.email, roles: ['support', 'user'], isActive: true })
  expect((await list('?email=ada@example.test')).body.data).toEqual([body])
})

test.each([
  ['?email=ADA@Example.TEST', ['ada']],
  ['?email=ada', 'validation_failed'],
  ['?email=ada*', ['ada', 'adam']],
  ['?email=ADE*', ['adele']],
  ['?email=%25*', []],
  ['?email=nobody@example.test', []],
  ['?email=*', ['ada', 'adam', 'adele', 'bob', 'root']],
  ['?role=support', ['ada']],
  ['?role=user', ['ada', 'adam', 'adele', 'bob', 'root']],
  ['?role=none-such', []],
  ['?active=false', ['bob']],
  ['?active=true', ['ada', 'adam', 'adele', 'root']],
  ['?active=true&email=a*&role=user', ['ada', 'adam', 'adele']],
  ['?active=yes', 'validation_failed'],
  ['?limit=101', 'validation_failed'],
  ['?role=A%20B', 'validation_failed'],
])('GET /users%s', async (query, expected) => {
  if (typeof expected === 'string') expect((await list(query)).body.code).toBe(expected)
  else expect((await emails(query)).sort()).toEqual(expected)
})

test('a cursor belongs to its filter and is not to be made up', async () => {
  const { nextCursor } = (await list('?limit=1&active=true')).body.page
  expect((await list(`?limit=1&active=true&cursor=${nextCursor}`)).status).toBe(200)
  for (const query of [`?limit=1&cursor=${nextCursor}`, `?active=true&cursor=${nextCursor.slice(0, -2)}xx`]) {
    expect((await list(query)).body.code).toBe('cursor_invalid')
  }
})

test('oneself is seen by everybody, others by the permission; what may not be seen is not there', async () => {
  const plain = await person(it, 'plain')
  expect((await it.get(`/users/${plain.id}`, plain.token)).body.email).toBe('plain@example.test')
  expect((await it.get(`/users/${ada.id}`, ada.token)).status).toBe(200)
  for (const [id, token] of [
    [ada.id, plain.token],
    ['01930000-0000-7000-8000-000000000000', root.token],
    ['1', root.token],
  ] as const) {
    const { status, body } = await it.get(`/users/${id}`, token)
    expect([status, body.code]).toEqual([404, 'not_found'])
  }
  expect((await list('', plain.token)).body.code).toBe('forbidden')
})

test('each filter has an index to go by', async () => {
  await it.sql(`
    INSERT INTO users (id, email, email_verified_at, is_active, created_at, updated_at)
    SELECT gen_random_uuid(), 'many' || n || '@example.test', now(), n % 500 > 0, now() - n * interval '1 second', now()
    FROM generate_series(1, 20000) n`)
  await it.sql('ANALYZE users')
  const plan = async (where: string, order = 'ORDER BY created_at DESC, id DESC LIMIT 21') => {
    const rows = await it.sql<Record<string, string>>(`EXPLAIN SELECT * FROM users WHERE ${where} ${order}`)
    return rows.map((row) => row['QUERY PLAN']).join('\n')
  }
  expect(await plan('true')).toContain('users_by_age')
  expect(await plan('NOT is_active')).toContain('users_deactivated_by_age')
  expect(await plan(`email = 'many7@example.test'`)).toMatch(/Index Scan using users_(email_key|by_beginning)/)
  expect(await plan(`email ~>=~ 'many77' AND email ~<~ 'many77z'`)).toContain('users_by_beginning_of_email')
})
