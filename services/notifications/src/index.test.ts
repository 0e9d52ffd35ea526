import {
  refreshReused,
  userDeactivated,
  userDeleted,
  userPasswordChanged,
  userRegistered,
  userUpdated,
  userVerified,
} from '@ashlar/auth/contract'
import { paymentCreated, paymentFailed, paymentProcessed, paymentRefunded } from '@ashlar/payments/contract'
import { eventually } from '@ashlar/platform/testing'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { askerOf, openStage, PUBLIC_URL, type Stage, type Started } from '../test/composition.ts'
import type { MailboxMessage } from './index.ts'
import { createContentSeal } from './infrastructure/content-seal.ts'

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

const hashOf = ({ runtime }: Started, address: string): string => createContentSeal(runtime.keys).hashAddress(address)

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

test('a changed password and a deactivated account are told at once', async () => {
  const started = await stage.service()
  const user = person('alert@x.test')
  const { userId } = user
  await stage.publish(
    userRegistered.of({ subject: userId, data: user }),
    userPasswordChanged.of({ subject: userId, data: { userId, email: user.email, timestamp } }),
    userDeactivated.of({ subject: userId, data: { userId, timestamp } }),
  )
  const mails = await mailsTo(started, user.email, 2)
  expect(mails.map(({ template }) => template)).toEqual(['security-alert', 'security-alert'])
  expect(mails.map(({ subject }) => subject).sort()).toEqual([
    'Your account was deactivated',
    'Your password was changed',
  ])
  expect(mails.flatMap(({ links }) => links)).toEqual([])
})

test('a one-time code reaches its person', async () => {
  const started = await stage.service()
  await stage.publish(stage.mailRequest({ email: 'code@x.test', template: 'otp-code', code: '493021' }))
  const [mail] = await mailsTo(started, 'code@x.test', 1)
  expect(mail?.text).toContain('\n493021\n')
})

test('a new address is used from the next message on', async () => {
  const started = await stage.service()
  const user = person('before@x.test')
  const { userId } = user
  await stage.publish(userRegistered.of({ subject: userId, data: user }))
  await stage.publish(userUpdated.of({ subject: userId, data: { ...user, email: 'after@x.test', roles: [] } }))
  await stage.publish(userVerified.of({ subject: userId, data: { ...user, email: 'after@x.test' } }))
  await mailsTo(started, 'after@x.test', 1)
  expect((await started.service.mailbox.list({ to: 'before@x.test' })).data).toEqual([])
})

test('a deleted person leaves messages that tell when and what, and no address and no word', async () => {
  const started = await stage.service()
  const user = person('gone@x.test')
  const { userId } = user
  const pay = (transactionId: string) =>
    paymentCreated.of({
      subject: transactionId,
      data: { transactionId, userId, amount: '1.00', currency: 'EUR', method: 'paypal', timestamp },
    })
  await stage.publish(
    stage.mailRequest({ userId: null, email: user.email }),
    userRegistered.of({ subject: userId, data: user }),
    userVerified.of({ subject: userId, data: user }),
    pay(stage.newId()),
    pay(stage.newId()),
  )
  await mailsTo(started, user.email, 3)
  const ask = await askerOf(started.service)
  await ask('POST', '/notifications/suppressions', { json: { address: user.email, reason: 'Ada asked' } })

  await stage.publish(userDeleted.of({ subject: userId, data: { userId, timestamp } }))
  await eventually(async () => {
    const [contact] = await stage.database.sql('SELECT * FROM contacts WHERE user_id = $1', [userId])
    expect(contact).toMatchObject({ email: null, first_name: null, last_name: null })
  })
  expect((await started.service.mailbox.list({ to: user.email })).data).toEqual([])
  const { body } = await ask('GET', `/notifications?userId=${userId}`)
  const told = body.data as Record<string, unknown>[]
  expect(told.map(({ template, status, to }) => [template, status, to])).toEqual(
    expect.arrayContaining([
      ['welcome', 'sent', null],
      ['payment-received', 'sent', null],
      ['payment-received', 'suppressed', null],
    ]),
  )
  const sent = told.find(({ template }) => template === 'welcome')
  const { timeline } = (await ask('GET', `/notifications/${String(sent?.id)}`)).body as {
    timeline: { event: string }[]
  }
  expect(timeline.map(({ event }) => event)).toEqual(['queued', 'attempt', 'handed_over', 'sent'])
  const left = await stage.database.sql(
    `SELECT 1 FROM notification_contents c JOIN notifications n ON n.id = c.notification_id
     WHERE n.user_id = $1 OR n.recipient = $2`,
    [userId, `address:${hashOf(started, user.email)}`],
  )
  expect(left).toEqual([])

  // The suppression holds without its words, a late event brings nobody back, and payments of his park nothing.
  const suppressions = (await ask('GET', `/notifications/suppressions?address=${user.email}`)).body.data
  expect(suppressions).toMatchObject([{ address: null, reason: null, source: 'operator' }])
  const [late] = await stage.publish(
    userUpdated.of({ subject: userId, data: { ...user, roles: [] } }),
    pay(stage.newId()),
  )
  await eventually(async () => {
    const handled = await stage.database.sql('SELECT 1 FROM inbox WHERE event_id = $1', [late])
    expect(handled).toHaveLength(1)
  })
  expect(await stage.database.sql('SELECT email FROM contacts WHERE user_id = $1', [userId])).toEqual([{ email: null }])
  expect((await started.bus.deadLetters.list()).filter(({ event }) => event.subject === userId)).toEqual([])
})

test('serves health and metrics, by status and without a label of somebody’s choice', async () => {
  const { service, runtime } = await stage.service()
  expect((await service.http.healthReport()).dependencies).toMatchObject({
    postgres: { status: 'up' },
    bus: { status: 'up' },
    mail: { status: 'up' },
  })
  await stage.publish(stage.mailRequest({ email: 'metrics@x.test' }))
  await eventually(async () => {
    const text = await runtime.metrics('notifications').registry.metrics()
    expect(text).toMatch(/mails_total\{template="verify-email",status="sent"[^}]*\} 1/)
    expect(text).toContain('cache_misses')
  })
})
