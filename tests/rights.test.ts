import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Instance, sleep, until } from './support/instance.ts'
import { call, mailsTo, newAdministrator, newPerson, type Person, signIn } from './support/person.ts'

let instance: Instance
let root: Person

beforeAll(async () => {
  instance = await Instance.create({ ASHLAR_LOG_LEVEL: 'warn', ASHLAR_AUTH_KEY_OVERLAP_SECONDS: '10' })
  await instance.start()
  root = await newAdministrator(instance)
})

afterAll(() => instance.remove())

const asRoot = async (method: string, path: string, body?: unknown) => {
  const answer = await call(instance, method, path, { token: root.accessToken, body })
  if (answer.body.code !== 'access_token_stale') return answer
  const renewed = await call(instance, 'POST', '/auth/refresh', { body: { refreshToken: root.refreshToken } })
  root = { ...root, accessToken: renewed.body.accessToken as string, refreshToken: renewed.body.refreshToken as string }
  return call(instance, method, path, { token: root.accessToken, body })
}

const validate = (person: Person) => call(instance, 'GET', '/auth/validate', { token: person.accessToken })

const resetToken = async (email: string): Promise<string> => {
  expect((await call(instance, 'POST', '/auth/password/forgot', { body: { email } })).status).toBe(202)
  const mail = await until('the link', async () =>
    (await mailsTo(instance, email)).find(({ template }) => template === 'password-reset'),
  )
  return new URL(mail.links[0] ?? '').searchParams.get('token') ?? ''
}

test('a password reset ends every session on its next request', async () => {
  const person = await newPerson(instance)
  const elsewhere = await signIn(instance, person.email, person.password)
  const newPassword = `an entirely new passphrase ${randomUUID()}`
  const token = await resetToken(person.email)
  const reset = await call(instance, 'POST', '/auth/password/reset', { body: { token, newPassword } })
  expect(reset.status).toBe(204)
  for (const old of [person, elsewhere]) {
    expect((await validate(old)).status).toBe(401)
    const refresh = await call(instance, 'POST', '/auth/refresh', { body: { refreshToken: old.refreshToken } })
    expect(refresh.status).toBe(401)
  }
  expect((await call(instance, 'POST', '/auth/password/reset', { body: { token, newPassword } })).status).toBe(400)
  expect((await validate(await signIn(instance, person.email, newPassword))).status).toBe(200)
})

test('a changed password ends the other sessions, not the one that changed it', async () => {
  const person = await newPerson(instance)
  const elsewhere = await signIn(instance, person.email, person.password)
  const changed = await call(instance, 'POST', '/auth/password/change', {
    token: person.accessToken,
    body: { currentPassword: person.password, newPassword: `another passphrase ${randomUUID()}` },
  })
  expect(changed.status).toBe(204)
  expect((await validate(elsewhere)).status).toBe(401)
  expect((await validate(person)).status).toBe(200)
  await until('the security alert', async () =>
    (await mailsTo(instance, person.email)).find(({ template }) => template === 'security-alert'),
  )
})

test('a deactivated person is out on the next request, and comes back without the old sessions', async () => {
  const person = await newPerson(instance)
  expect((await asRoot('POST', `/users/${person.userId}/deactivate`)).status).toBe(200)
  expect((await validate(person)).status).toBe(401)
  const refused = await call(instance, 'POST', '/auth/login', {
    body: { email: person.email, password: person.password },
  })
  expect([refused.status, refused.body.code]).toEqual([403, 'account_deactivated'])
  expect((await asRoot('POST', `/users/${person.userId}/activate`)).status).toBe(200)
  expect((await validate(person)).status).toBe(401)
  expect((await validate(await signIn(instance, person.email, person.password))).status).toBe(200)
})

test('a changed role is in force on the next request: stale first, then by refresh', async () => {
  const person = await newPerson(instance)
  expect((await call(instance, 'GET', '/users', { token: person.accessToken })).status).toBe(403)
  expect((await asRoot('PUT', `/users/${person.userId}/roles`, { roles: ['user', 'support'] })).status).toBe(200)
  const stale = await validate(person)
  expect([stale.status, stale.body.code]).toEqual([401, 'access_token_stale'])
  const renewed = await call(instance, 'POST', '/auth/refresh', { body: { refreshToken: person.refreshToken } })
  const token = renewed.body.accessToken as string
  expect((await call(instance, 'GET', '/users', { token })).status).toBe(200)

  expect((await asRoot('PUT', `/users/${person.userId}/roles`, { roles: ['user'] })).status).toBe(200)
  expect((await call(instance, 'GET', '/users', { token })).body.code).toBe('access_token_stale')
})

test('nobody grants what he does not hold', async () => {
  const name = `keeper-${randomUUID().slice(0, 8)}`
  const made = await asRoot('POST', '/roles', { name, permissions: ['roles:assign', 'roles:write', 'roles:read'] })
  expect(made.status).toBe(201)
  const keeper = await newPerson(instance)
  expect((await asRoot('PUT', `/users/${keeper.userId}/roles`, { roles: ['user', name] })).status).toBe(200)
  const { accessToken: token, userId } = await signIn(instance, keeper.email, keeper.password)
  for (const roles of [['admin'], ['user', 'support'], [name, 'auditor']]) {
    const answer = await call(instance, 'PUT', `/users/${userId}/roles`, { token, body: { roles } })
    expect([roles, answer.status]).toEqual([roles, 403])
  }
  const grand = await call(instance, 'POST', '/roles', {
    token,
    body: { name: `grand-${name}`, permissions: ['users:delete'] },
  })
  expect(grand.status).toBe(403)
  const wider = await call(instance, 'PUT', `/roles/${name}`, {
    token,
    body: { permissions: ['roles:assign', 'roles:write', 'roles:read', 'payments:refund'] },
  })
  expect(wider.status).toBe(403)
})

test('the last administrator cannot be demoted, deactivated or deleted, by anybody or by two at once', async () => {
  const other = await newAdministrator(instance)
  const both = await Promise.all([
    call(instance, 'PUT', `/users/${root.userId}/roles`, { token: other.accessToken, body: { roles: ['user'] } }),
    call(instance, 'PUT', `/users/${other.userId}/roles`, { token: root.accessToken, body: { roles: ['user'] } }),
  ])
  expect(both.filter(({ status }) => status === 200)).toHaveLength(1)

  // Whoever is left cannot go either. (Earlier tests of this file make no administrators.)
  const left = await signIn(
    instance,
    both[0].status === 200 ? other.email : root.email,
    both[0].status === 200 ? other.password : root.password,
  )
  const token = left.accessToken
  const refusals = [
    await call(instance, 'PUT', `/users/${left.userId}/roles`, { token, body: { roles: ['user'] } }),
    await call(instance, 'POST', `/users/${left.userId}/deactivate`, { token }),
    await call(instance, 'DELETE', `/users/${left.userId}`, { token }),
  ]
  expect(refusals.map(({ status, body }) => [status, body.code])).toEqual([
    [409, 'last_administrator'],
    [409, 'last_administrator'],
    [409, 'last_administrator'],
  ])
  expect((await validate(left)).status).toBe(200)
})

test('signing keys rotate under 200 requests a second, and none is refused', { timeout: 90_000 }, async () => {
  const person = await newPerson(instance)
  let { accessToken, refreshToken } = person
  const refused: string[] = []
  let asked = 0
  const kids = new Set<string>()
  let running = true
  const ask = async (): Promise<void> => {
    const { status, body } = await call(instance, 'GET', '/auth/validate', { token: accessToken })
    asked++
    if (status !== 200) refused.push(`${status} ${String(body.code)}`)
  }
  const load = (async () => {
    while (running) {
      void ask().catch((error: unknown) => refused.push(String(error)))
      await sleep(5)
    }
  })()
  const renew = (async () => {
    while (running) {
      const { status, body } = await call(instance, 'POST', '/auth/refresh', { body: { refreshToken } })
      if (status !== 200) refused.push(`refresh ${status}`)
      else ({ accessToken, refreshToken } = body as { accessToken: string; refreshToken: string })
      const [header = ''] = accessToken.split('.')
      kids.add((JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid: string }).kid)
      await sleep(150)
    }
  })()
  const published = async (): Promise<number> =>
    ((await call(instance, 'GET', '/.well-known/jwks.json')).body.keys as unknown[]).length
  const before = await published()
  for (let round = 0; round < 2; round++) {
    expect((await instance.command(['keys', 'rotate'])).code).toBe(0)
  }
  await until('new keys to be published', async () => ((await published()) >= before + 2 ? true : undefined))
  await until('tokens of the newest key', async () => (kids.size >= 2 ? true : undefined), 30_000)
  running = false
  await Promise.all([load, renew])
  await until('the last answers', async () => (asked > 200 ? true : undefined))
  expect(refused).toEqual([])
})
