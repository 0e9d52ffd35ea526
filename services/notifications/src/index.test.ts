import { refreshReused, userRegistered, userVerified } from '@ashlar/auth/contract'
import { paymentCreated, paymentFailed, paymentProcessed, paymentRefunded } from '@ashlar/payments/contract'
import { eventually } from '@ashlar/platform/testing'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { openStage, PUBLIC_URL, type Stage, type Started } from '../test/composition.ts'
import type { MailboxMessage } from './index.ts'

let stage: Stage

beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage.close())
afterEach(() => stage.stopAll())

const timestamp = '2026-03-01T10:20:30.000Z'
const person = (email: string) => ({ userId: stage.newId(), email, firstName: 'Ada', lastName: 'Byron', timestamp })

/** The mails to that address, oldest first, once there are `count`. */
const mailsTo = ({ service }: Started, to: string, count: number): Promise<MailboxMessage[]> =>
  eventually(async () => {
    const { data } = await service.mailbox.list({ to })
    expect(data).toHaveLength(count)
    return data.reverse()
  })

test('mail requests become mails with links, and auth’s secret is nowhere but in them', async () => {
  const started = await stage.service()
  const userId = stage.newId()
  const token = 'Tok+en/of=the-Link'
  await stage.publish(
    stage.mailRequest({ userId, email: 'links@x.test', token }),
    stage.mailRequest({ userId, email: 'links@x.test', token, template: 'password-reset', firstName: null }),
    stage.mailRequest({ userId, email: 'links@x.test', template: 'email-already-registered' }),
  )
  const mails = await mailsTo(started, 'LINKS@x.test', 3)
  expect(mails.map(({ template }) => template).sort()).toEqual([
    'email-already-registered',
    'password-reset',
    'verify-email',
  ])
  const encoded = encodeURIComponent(token)
  const byTemplate = Object.fromEntries(mails.map((mail) => [mail.template, mail]))
  expect(byTemplate['verify-email']).toMatchObject({
    to: 'links@x.test',
    from: 'Shop <shop@ashlar.test>',
    subject: 'Confirm your e-mail address',
    links: [`${PUBLIC_URL}/verify-email?token=${encoded}`],
    handOvers: 1,
  })
  expect(byTemplate['verify-email']?.text).toContain('Hello Ada,')
  expect(byTemplate['verify-email']?.headers).toMatchObject({
    'auto-submitted': 'auto-generated',
    'message-id': `<${byTemplate['verify-email']?.notificationId}@ashlar.test>`,
  })
  expect(byTemplate['password-reset']?.links).toEqual([`${PUBLIC_URL}/reset-password?token=${encoded}`])
  expect(byTemplate['password-reset']?.text).not.toContain('Hello')

  // What is stored, readable or not, and what was logged.
  await eventually(async () => {
    const open = await stage.database.sql(`SELECT 1 FROM notifications WHERE status <> 'sent'`)
    expect(open).toEqual([])
  })
  const tables = ['notifications', 'notification_contents', 'mailbox', 'inbox', 'outbox']
  const stored = await Promise.all(tables.map((table) => stage.database.sql(`SELECT t::text AS row FROM ${table} t`)))
  const readable = JSON.stringify(stored) + JSON.stringify(started.runtime.logs)
  for (const secret of [token, encoded, 'links@x.test', 'Ada']) expect(readable).not.toContain(secret)
  expect(JSON.stringify(stored)).not.toContain(Buffer.from(token).toString('hex'))
})

test('each event of users and payments becomes its mail', async () => {
  const started = await stage.service()
  const user = person('all@x.test')
  const subject = user.userId
  await stage.publish(
    userRegistered.of({ subject, data: user }),
    userVerified.of({ subject, data: user }),
    refreshReused.of({
      subject: stage.newId(),
      data: { userId: user.userId, sessionId: stage.newId(), timestamp, ipAddress: '203.0.113.9' },
    }),
  )
  await mailsTo(started, user.email, 2)

  const transactionId = stage.newId()
  const data = { transactionId, userId: user.userId, amount: '12.50', currency: 'EUR', timestamp }
  await stage.publish(
    paymentCreated.of({ subject: transactionId, data: { ...data, method: 'credit_card' } }),
    paymentFailed.of({ subject: transactionId, data: { ...data, status: 'failed', errorMessage: 'Card declined.' } }),
    paymentProcessed.of({ subject: transactionId, data: { ...data, status: 'completed' } }),
    paymentRefunded.of({
      subject: transactionId,
      data: { ...data, amount: '2.50', refundId: stage.newId(), status: 'partially_refunded' },
    }),
  )
  const mails = await mailsTo(started, user.email, 6)
  const of = (template: string) => mails.find((mail) => mail.template === template)
  expect(of('welcome')?.text).toContain('Hello Ada Byron,')
  expect(of('welcome')?.text).toContain(user.email)
  expect(of('security-alert')?.text).toContain('From: 203.0.113.9')
  for (const template of ['payment-received', 'payment-failed', 'payment-confirmation']) {
    expect(of(template)?.text).toContain('12.50 EUR')
    expect(of(template)?.text).toContain(transactionId)
    expect(of(template)?.text).toContain('2026-03-01 10:20 UTC')
  }
  expect(of('payment-failed')?.text).toContain('did not go through: Card declined. You were not charged.')
  expect(of('payment-refunded')?.subject).toBe('Refund of 2.50 EUR')
  expect(mails.every(({ handOvers }) => handOvers === 1)).toBe(true)
})

test('a message keeps name and version of its template, its trigger, request and person, and no address', async () => {
  const started = await stage.service()
  const userId = stage.newId()
  const [triggerId] = await stage.publish(stage.mailRequest({ userId, email: 'row@x.test' }))
  await mailsTo(started, 'row@x.test', 1)
  const [row] = await stage.database.sql('SELECT * FROM notifications WHERE trigger_id = $1', [triggerId])
  expect(row).toMatchObject({
    template: 'verify-email',
    template_version: 1,
    user_id: userId,
    recipient: `user:${userId}`,
    channel: 'email',
    urgent: true,
  })
  expect(row?.request_id).toMatch(/^[0-9a-f-]{36}$/)

  const [other] = await stage.publish(stage.mailRequest({ userId: null, email: 'row@x.test' }))
  await mailsTo(started, 'row@x.test', 2)
  const [unknown] = await stage.database.sql('SELECT * FROM notifications WHERE trigger_id = $1', [other])
  expect(unknown?.recipient).toMatch(/^address:[0-9a-f]{64}$/)
})

test('a payment of somebody who is not known yet is mailed once he is', async () => {
  const started = await stage.service()
  const user = person('later@x.test')
  const transactionId = stage.newId()
  const data = { transactionId, userId: user.userId, amount: '1.00', currency: 'EUR', timestamp }
  await stage.publish(paymentCreated.of({ subject: transactionId, data: { ...data, method: 'paypal' } }))
  await eventually(() =>
    started.runtime.logs.some(({ err }) => JSON.stringify(err ?? '').includes('no contact is known')),
  )
  await stage.publish(userRegistered.of({ subject: user.userId, data: user }))
  const [mail] = await mailsTo(started, user.email, 1)
  expect(mail?.template).toBe('payment-received')
})

test('what parks for a person delays neither his links nor others', async () => {
  const started = await stage.service()
  const userId = stage.newId()
  const alert = { userId, sessionId: stage.newId(), timestamp, ipAddress: null }
  await stage.publish(refreshReused.of({ subject: userId, data: alert }))
  await eventually(async () => (await started.bus.deadLetters.list()).length === 1)
  const startedAt = performance.now()
  await stage.publish(
    stage.mailRequest({ userId, email: 'parked@x.test' }),
    userRegistered.of({ subject: userId, data: { ...person('parked@x.test'), userId } }),
  )
  await mailsTo(started, 'parked@x.test', 1)
  expect(performance.now() - startedAt).toBeLessThan(2_000)

  const [dead] = await started.bus.deadLetters.list()
  await started.runtime.as(() => started.bus.deadLetters.discard(dead?.id ?? '', 'test'))
  await eventually(async () => {
    const known = await stage.database.sql('SELECT 1 FROM contacts WHERE user_id = $1', [userId])
    expect(known).toHaveLength(1)
  })
})

test('a link that ran out before it could be sent is not sent', async () => {
  const started = await stage.service()
  const expiresAt = new Date(Date.now() - 1_000).toISOString()
  const [triggerId] = await stage.publish(stage.mailRequest({ email: 'late@x.test', expiresAt }))
  await eventually(async () => {
    const rows = await stage.database.sql('SELECT status, reason FROM notifications WHERE trigger_id = $1', [triggerId])
    expect(rows).toEqual([{ status: 'suppressed', reason: 'expired' }])
  })
  expect((await started.service.mailbox.list({ to: 'late@x.test' })).data).toEqual([])
})

test('a seal that does not open is a dead letter which tells nothing', async () => {
  const started = await stage.service()
  const good = stage.mailRequest({ email: 'seal@x.test', token: 'secret-token' })
  const moved = { ...good, data: { ...(good.data as object), sealId: stage.newId() } }
  await stage.publish(moved)
  const dead = await eventually(async () => {
    const letters = await started.bus.deadLetters.list()
    expect(letters).toHaveLength(1)
    return letters[0]
  })
  expect(dead?.error).not.toContain('secret-token')
  await started.runtime.as(() => started.bus.deadLetters.discard(dead?.id ?? '', 'test'))
})

test('lists newest first, by recipient and number', async () => {
  const started = await stage.service()
  for (const email of ['one@list.test', 'two@list.test', 'one@list.test']) {
    await stage.publish(stage.mailRequest({ email }))
    await eventually(async () => {
      const open = await stage.database.sql(`SELECT 1 FROM notifications WHERE status IN ('queued', 'sending')`)
      const all = await stage.database.sql('SELECT 1 FROM inbox WHERE subscription = $1', ['notifications.links'])
      expect(open).toEqual([])
      expect(all.length).toBeGreaterThan(0)
    })
  }
  await mailsTo(started, 'one@list.test', 2)
  await mailsTo(started, 'two@list.test', 1)
  const { data } = await started.service.mailbox.list({ limit: 2 })
  expect(data).toHaveLength(2)
  expect(Date.parse(data[0]?.sentAt ?? '')).toBeGreaterThanOrEqual(Date.parse(data[1]?.sentAt ?? ''))
})

test('serves health, metrics and an empty contract', async () => {
  const { service } = await stage.service()
  expect((await service.http.healthReport()).dependencies).toMatchObject({
    postgres: { status: 'up' },
    bus: { status: 'up' },
    mail: { status: 'up' },
  })
  expect(service.http.openapi()).toMatchObject({ openapi: '3.1.0', paths: {} })
})
