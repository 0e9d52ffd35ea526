import { afterAll, beforeAll, expect, test } from 'vitest'
import { FINE, GONE, type Person, person, refreshed, roleWith, STALE, standing } from '../../../test/people.ts'
import { startAuth, type TestAuth } from '../../../test/support.ts'

let it: TestAuth
let root: Person
let keeper: Person
beforeAll(async () => {
  it = await startAuth()
  root = await person(it, 'root', 'admin')
  await roleWith(it, 'keeper', 'roles:read', 'roles:write', 'orders:read')
  keeper = await person(it, 'keeper', 'keeper')
})
afterAll(() => it.close())

const create = (name: string, permissions: string[], { token } = root) =>
  it.post('/roles', { name, permissions }, token)
const put = (name: string, permissions: string[], { token } = root) =>
  it.call('PUT', `/roles/${name}`, { body: { permissions }, token })
const remove = (name: string, { token } = root) => it.call('DELETE', `/roles/${name}`, { token })
const permissionsOf = async (token: string): Promise<string[]> =>
  (await it.get('/auth/validate', token)).body.claims.permissions
const assign = (id: string, ...roles: string[]) =>
  it.call('PUT', `/users/${id}/roles`, { body: { roles }, token: root.token })

test('an administrator brings new names into the world, once', async () => {
  const answer = await create('packer', ['orders:ship', 'orders:read', 'orders:ship'])
  expect(answer.status).toBe(201)
  expect(answer.headers.get('location')).toBe('/roles/packer')
  expect(answer.body).toMatchObject({ name: 'packer', permissions: ['orders:read', 'orders:ship'], builtIn: false })
  expect(await standing(it, root.token)).toEqual(FINE)
  const again = await create('packer', [])
  expect([again.status, again.body.errors[0].code]).toEqual([400, 'role_exists'])
})

test('of many who make the same role at once one does', async () => {
  const answers = await Promise.all(Array.from({ length: 8 }, () => create('contested', ['orders:read'])))
  expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(7).fill(400)])
})

test('a changed role is stale for each of its holders on the next request, and for nobody else', async () => {
  const [one, two] = [await person(it, 'one', 'packer'), await person(it, 'two', 'packer')]
  expect((await put('packer', ['orders:read', 'orders:pack'])).body.permissions).toEqual(['orders:pack', 'orders:read'])
  for (const { token } of [one, two]) expect(await standing(it, token)).toEqual(STALE)
  for (const { token } of [root, keeper]) expect(await standing(it, token)).toEqual(FINE)
  const token = await refreshed(it, one)
  expect(await permissionsOf(token)).toEqual(['orders:pack', 'orders:read'])

  expect((await put('packer', ['orders:pack', 'orders:read'])).status).toBe(200)
  expect(await standing(it, token)).toEqual(FINE)
})

test('a deleted role leaves its holders at once; one of the same name later is another one', async () => {
  await create('passing', ['orders:read'])
  const holder = await person(it, 'holder', 'passing')
  expect((await remove('passing')).status).toBe(204)
  expect(await standing(it, holder.token)).toEqual(STALE)
  const old = holder.token
  const token = await refreshed(it, holder)
  expect(await permissionsOf(token)).toEqual([])
  expect((await it.get('/auth/profile', token)).body.roles).toEqual(['user'])
  expect((await remove('passing')).status).toBe(404)

  await create('passing', ['orders:ship'])
  expect(await standing(it, old)).toEqual(STALE)
  await assign(holder.id, 'user', 'passing')
  const { body } = await it.post('/auth/login', { email: holder.email, password: 'correct horse battery' })
  expect(await permissionsOf(body.accessToken)).toEqual(['orders:ship'])
})

test('a role with ten thousand holders changes by one row for the verifiers', async () => {
  await create('crowd', ['orders:read'])
  await it.sql(`
    WITH made AS (
      INSERT INTO users (id, email, email_verified_at, created_at, updated_at)
      SELECT gen_random_uuid(), 'crowd' || n || '@example.test', now(), now(), now() FROM generate_series(1, 10000) n
      RETURNING id)
    INSERT INTO user_roles SELECT id, 'crowd' FROM made`)
  const member = await person(it, 'member', 'crowd')
  const { lastSequence } = await it.auth.revocationsSince(0)
  expect((await put('crowd', ['orders:read', 'orders:list'])).status).toBe(200)
  expect(await standing(it, member.token)).toEqual(STALE)
  const { rows } = await it.auth.revocationsSince(lastSequence)
  expect(rows).toMatchObject([{ kind: 'role', role: 'crowd' }])
  expect((await remove('crowd')).status).toBe(204)
  expect((await it.auth.revocationsSince(lastSequence)).rows).toHaveLength(2)
})

test('whoever keeps roles passes on only what he holds', async () => {
  const refused = async (answer: ReturnType<typeof create>) => {
    const { status, body } = await answer
    expect([status, body.code]).toEqual([403, 'forbidden'])
  }
  await refused(create('sneaky', ['orders:read', 'users:delete'], keeper))
  await refused(create('sneaky', ['a-name:nobody-holds'], keeper))
  await refused(put('keeper', ['roles:read', 'roles:write', 'orders:read', 'users:write'], keeper))
  await refused(put('support', [], keeper))
  await refused(put('admin', [], keeper))
  await refused(remove('packer', keeper))
  expect((await create('readers', ['orders:read'], keeper)).status).toBe(201)
  expect((await put('readers', [], keeper)).status).toBe(200)
  expect((await remove('readers', keeper)).status).toBe(204)
  expect(await it.sql(`SELECT FROM roles WHERE name = 'sneaky'`)).toEqual([])
})

test('built-in roles stay, and admin never loses what it needs', async () => {
  for (const name of ['admin', 'user', 'support', 'auditor']) expect((await remove(name)).status).toBe(403)
  const [admin] = (await it.get('/roles?limit=100', root.token)).body.data.filter(
    ({ name }: { name: string }) => name === 'admin',
  )
  expect((await put('admin', admin.permissions.slice(1))).body.code).toBe('forbidden')
  expect((await put('admin', [...admin.permissions, 'orders:refund'])).status).toBe(200)
  expect(await permissionsOf(await refreshed(it, root))).toContain('orders:refund')
  expect((await put('admin', admin.permissions)).status).toBe(200)
  Object.assign(root, { token: (await it.signIn(root.email)).accessToken })
})

test('a role cannot grow beyond what the tokens of its holders can carry', async () => {
  const names = (area: string, count: number) =>
    Array.from({ length: count }, (_, i) => `${area}:${'x'.repeat(40)}${i}`)
  await create('base', names('base', 50))
  await create('more', ['more:one'])
  await person(it, 'heavy', 'base', 'more')
  const answer = await put('more', names('more', 50))
  expect([answer.status, answer.body.errors[0].code]).toEqual([400, 'rights_too_large'])
  expect((await create('huge', names('huge', 100))).body.errors[0].code).toBe('rights_too_large')
})

test('roles are listed page by page, those that came with the program included', async () => {
  const seen: string[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const page: Awaited<ReturnType<TestAuth['get']>> = await it.get(
      `/roles?limit=2${cursor && `&cursor=${cursor}`}`,
      root.token,
    )
    seen.push(...page.body.data.map(({ name }: { name: string }) => name))
    cursor = page.body.page.nextCursor
  }
  const rows = await it.sql<{ name: string }>('SELECT name FROM roles')
  expect(seen.toSorted()).toEqual(rows.map(({ name }) => name).sort())
  expect(seen.slice(-4)).toEqual(['user', 'support', 'auditor', 'admin'])
})

test('a role that is assigned and deleted at once leaves nobody with half of it', async () => {
  const people = await Promise.all(['r1', 'r2', 'r3', 'r4'].map((name) => person(it, name)))
  for (let round = 0; round < 4; round++) {
    await create('fleeting', ['orders:read'])
    const answers = await Promise.all([
      ...people.map(({ id }) => assign(id, 'user', 'fleeting')),
      remove('fleeting'),
      ...people.map(({ id }) => assign(id, 'user')),
    ])
    for (const { status } of answers) expect([200, 204, 400]).toContain(status)
    await remove('fleeting')
    expect(await it.sql(`SELECT FROM user_roles WHERE role = 'fleeting'`)).toEqual([])
  }
})

test('what the keeper lost a moment ago he cannot use any more', async () => {
  await assign(keeper.id, 'user')
  expect((await create('too-late', [], keeper)).body.code).toBe('access_token_stale')
  await it.post(`/users/${keeper.id}/deactivate`, undefined, root.token)
  expect(await standing(it, keeper.token)).toEqual(GONE)
})

test.each([
  ['a name in capitals', { name: 'Packer', permissions: [] }],
  ['a name with a slash', { name: 'a/b', permissions: [] }],
  ['a name of 64 characters', { name: 'x'.repeat(64), permissions: [] }],
  ['a permission without a colon', { name: 'x', permissions: ['orders'] }],
  ['a permission with a star', { name: 'x', permissions: ['orders:*'] }],
  ['a permission of 101 characters', { name: 'x', permissions: [`a:${'b'.repeat(99)}`] }],
  ['no permissions', { name: 'x' }],
])('refused: %s', async (_, body) => {
  const answer = await it.post('/roles', body, root.token)
  expect([answer.status, answer.body.code]).toEqual([400, 'validation_failed'])
})

test('without the permission 403, for an unknown or impossible name 404', async () => {
  const plain = await person(it, 'plain')
  for (const answer of [await create('x', [], plain), await put('user', [], plain), await remove('user', plain)]) {
    expect(answer.body.code).toBe('forbidden')
  }
  expect((await it.get('/roles', plain.token)).body.code).toBe('forbidden')
  expect((await put('no-such-role', [])).body.code).toBe('not_found')
  expect((await put('No%20Such', [])).body.code).toBe('not_found')
})
