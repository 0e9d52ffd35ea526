import { randomBytes, randomUUID } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { Instance, until } from './support/instance.ts'
import { call, mailsTo, newPayment, processPayment, signIn } from './support/person.ts'
import { plant, secretsIn, secretsInDatabase, secretsInFiles } from './support/secrets.ts'

const random = randomBytes(6).toString('hex')
const secrets: Record<string, string> = {}
const secret = (name: string): string => {
  secrets[name] = plant(name, random)
  return secrets[name]
}

let instance: Instance

afterAll(() => instance.remove())

const tokenOf = (link: string | undefined): string => new URL(link ?? '').searchParams.get('token') ?? ''

const linkTo = async (email: string, template: string): Promise<string> => {
  const mail = await until(`${template} to ${email}`, async () =>
    (await mailsTo(instance, email)).find((one) => one.template === template),
  )
  return tokenOf(mail.links[0])
}

/** Walks through everything that takes a secret, and notes each one, those that the server itself made included. */
const live = async (): Promise<void> => {
  const email = `secrets.${randomUUID()}@example.com`
  const post = (path: string, body: unknown, token?: string, headers?: Record<string, string>) =>
    call(instance, 'POST', path, { body, token, headers })

  await post('/auth/register', { email, password: secret('first-password') })
  secrets['verification token'] = await linkTo(email, 'verify-email')
  await post('/auth/verify-email', { token: secrets['verification token'] })
  await post('/auth/verify-email', { token: secret('garbage-link-token') })
  await post('/auth/login', { email, password: secret('wrong-password') })

  const person = await signIn(instance, email, secrets['first-password'] ?? '')
  secrets['access token'] = person.accessToken
  secrets['refresh token'] = person.refreshToken
  const renewed = await post('/auth/refresh', { refreshToken: person.refreshToken })
  secrets['next refresh token'] = renewed.body.refreshToken as string
  await post('/auth/refresh', { refreshToken: secret('garbage-refresh-token') })
  await post(
    '/auth/password/change',
    { currentPassword: secrets['first-password'], newPassword: secret('changed-password') },
    person.accessToken,
  )
  await post('/auth/password/forgot', { email })
  secrets['reset token'] = await linkTo(email, 'password-reset')
  await post('/auth/password/reset', { token: secrets['reset token'], newPassword: secret('reset-password') })

  const again = await signIn(instance, email, secrets['reset-password'] ?? '')
  const payment = await newPayment(instance, again, '10.00', 'tok_ok')
  await processPayment(instance, again, payment)
  await call(instance, 'POST', '/payments/create', {
    token: again.accessToken,
    key: randomUUID(),
    body: { amount: '5.00', currency: 'EUR', method: 'credit_card', source: secret('card-token') },
  })

  // Hostile and careless ways in: each is refused, and none may be written down.
  await call(instance, 'GET', '/auth/profile', { token: secret('bearer') })
  await call(instance, 'GET', '/auth/profile', { headers: { authorization: `Basic ${secret('basic')}` } })
  await call(instance, 'GET', '/auth/profile', { headers: { cookie: `session=${secret('cookie')}` } })
  await call(instance, 'GET', '/auth/profile', { headers: { 'proxy-authorization': secret('proxy') } })
  await call(instance, 'GET', `/verify-email?token=${secret('query')}`)
  await post('/auth/login', { email, password: 'x', secondFactor: secret('unknown-field') })
  await post('/payments/webhooks/sandbox', {}, undefined, { 'ashlar-signature': `t=1,v1=${secret('signature')}` })
  await instance.command(['admin', 'create', `admin.${randomUUID()}@example.com`, '--password-stdin'], secret('admin'))
}

test('no table, no file and no log holds a secret', { timeout: 180_000 }, async () => {
  const masterKey = randomBytes(32).toString('base64')
  instance = await Instance.create({ ASHLAR_LOG_LEVEL: 'debug', ASHLAR_MASTER_KEY: masterKey })
  const logDir = join(instance.dataDir, 'logs')
  instance.env.ASHLAR_LOG_DIR = logDir
  instance.env.ASHLAR_SANDBOX_WEBHOOK_SECRET = secret('webhook')
  secrets['master key'] = masterKey
  await instance.start()
  await live()
  expect(Object.keys(secrets).length).toBeGreaterThanOrEqual(20)

  for (const database of ['auth', 'payments', 'notifications', 'audit', 'bus', 'sandbox']) {
    expect(await secretsInDatabase(await instance.databaseUrl(database), secrets)).toEqual([])
  }
  const dead = await instance.command(['dlq', 'list', '--json'])
  expect(JSON.parse(dead.stdout)).toEqual([])
  expect(await instance.end()).toBe(0)

  expect((await readdir(logDir)).sort()).toEqual(['combined.log', 'error.log'])
  expect(secretsIn(instance.logs, secrets)).toEqual([])
  expect(instance.logs).toContain('/auth/login')
  expect(await secretsInFiles(instance, secrets)).toEqual([])
})

test('what looks for secrets finds one that was kept by mistake', async () => {
  const mistake = { token: 'planted-secret-by-mistake' }
  for (const shape of ['planted-secret-by-mistake', Buffer.from(mistake.token).toString('base64')]) {
    expect(secretsIn(`{"a":"${shape}"}`, mistake)).toEqual(['token'])
  }
})
