import { setTimeout as sleep } from 'node:timers/promises'
import { userRegistered, userVerified } from '@ashlar/auth/contract'
import { createSmtpSink, eventually, type SmtpSink } from '@ashlar/platform/testing'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { selfSigned } from '../test/certificate.ts'
import { askerOf, openStage, type Stage } from '../test/composition.ts'

let stage: Stage
let sink: SmtpSink

beforeAll(async () => {
  stage = await openStage()
  sink = await createSmtpSink()
})
afterAll(async () => {
  await sink.close()
  await stage.close()
})
afterEach(() => stage.stopAll())

type Row = { id: string; status: string; reason: string | null; attempts: number }
const rowOf = async (triggerId: string | undefined): Promise<Row | undefined> =>
  (
    await stage.database.sql<Row>('SELECT id, status, reason, attempts FROM notifications WHERE trigger_id = $1', [
      triggerId,
    ])
  )[0]
const becomes = (triggerId: string | undefined, expected: Partial<Row>): Promise<Row | undefined> =>
  eventually(async () => {
    const row = await rowOf(triggerId)
    expect(row).toMatchObject(expected)
    return row
  }, 15_000)
const receivedBy = (to: string) => sink.messages.filter((message) => message.to === to)
const mailTo = async (email: string) => (await stage.publish(stage.mailRequest({ email })))[0]

test('put off, then taken: one mail, and the timeline tells both tries', async () => {
  const { service } = await stage.service({ mailUrl: sink.url })
  const ask = await askerOf(service)
  sink.script('later@x.test', { at: 'rcpt', reply: '451 4.3.0 later' })
  const trigger = await mailTo('later@x.test')
  const row = await becomes(trigger, { status: 'sent', attempts: 2 })
  expect(receivedBy('later@x.test')).toHaveLength(1)
  const { body } = await ask('GET', `/notifications/${row?.id}`)
  const timeline = body.timeline as { event: string; attempt: number | null; reason: string | null }[]
  expect(timeline.map(({ event, attempt, reason }) => [event, attempt, reason])).toEqual([
    ['queued', null, null],
    ['attempt', 1, null],
    ['handed_over', 1, null],
    ['deferred', 1, 'smtp_451'],
    ['attempt', 2, null],
    ['handed_over', 2, null],
    ['sent', 2, null],
  ])
})

test('an address that the server says is of no use gets nothing more, and the operator sees why', async () => {
  const { service } = await stage.service({ mailUrl: sink.url })
  const ask = await askerOf(service)
  for (const [name, reply] of [
    ['nobody', '550 5.1.1 no such user'],
    ['plain', '553 not a mailbox'],
  ] as const) {
    const email = `${name}@gone.test`
    sink.script(email, { at: 'rcpt', reply })
    const first = await mailTo(email)
    await becomes(first, { status: 'failed', reason: `smtp_${reply.slice(0, 3)}`, attempts: 1 })
    await becomes(await mailTo(email.toUpperCase()), {
      status: 'suppressed',
      reason: 'address_suppressed',
      attempts: 0,
    })
    expect(sink.attempts(email)).toBe(1)
    expect((await ask('GET', `/notifications/suppressions?address=${email}`)).body.data).toMatchObject([
      { address: email, source: 'bounce', reason: `smtp_${reply.slice(0, 3)}` },
    ])
  }
})

test.each([
  ['a full mailbox', { at: 'rcpt', reply: '552 5.2.2 mailbox full' }],
  ['spam', { at: 'dot', reply: '550 5.7.1 looks like spam' }],
  ['no reason', { at: 'dot', reply: '554 no' }],
] as const)('%s fails the message and leaves its address open', async (what, step) => {
  await stage.service({ mailUrl: sink.url })
  const email = `${what.replaceAll(' ', '-')}@kept.test`
  sink.script(email, step)
  await becomes(await mailTo(email), { status: 'failed', attempts: 1 })
  await becomes(await mailTo(email), { status: 'sent' })
})

test('what waits for an address that bounced is suppressed with it', async () => {
  await stage.service({ mailUrl: sink.url })
  const email = 'waiting@gone.test'
  const data = { userId: stage.newId(), email, firstName: null, lastName: null, timestamp: new Date().toISOString() }
  const welcome = () => userVerified.of({ subject: data.userId, data })
  const [, , second] = await stage.publish(userRegistered.of({ subject: data.userId, data }), welcome(), welcome())
  await becomes(second, { status: 'queued', reason: 'rate_limited' })
  sink.script(email, { at: 'rcpt', reply: '550 5.1.1 no such user' })
  await mailTo(email)
  await becomes(second, { status: 'suppressed', reason: 'address_suppressed' })
})

test('cut after the final dot: unknown, never repeated by itself, sent once more when an operator says so', async () => {
  const { service, runtime } = await stage.service({ mailUrl: sink.url })
  sink.script('cut@x.test', { at: 'dot', cut: true })
  const trigger = await mailTo('cut@x.test')
  const { id = '' } = (await becomes(trigger, { status: 'unknown', attempts: 1 })) ?? {}
  await sleep(1_500)
  expect(await rowOf(trigger)).toMatchObject({ status: 'unknown', attempts: 1 })
  expect(receivedBy('cut@x.test')).toHaveLength(1)

  const operator = { type: 'cli' as const, id: 'root' }
  const answers = await Promise.all([1, 2, 3].map(() => runtime.as(() => service.resendNotification(id), operator)))
  expect(answers.filter(({ ok }) => ok)).toHaveLength(1)
  expect(answers.filter(({ ok }) => !ok)).toEqual([
    { ok: false, error: 'not_resendable' },
    { ok: false, error: 'not_resendable' },
  ])
  await becomes(trigger, { status: 'sent', attempts: 2 })
  const mails = receivedBy('cut@x.test')
  expect(mails).toHaveLength(2)
  expect(mails[1]?.headers['message-id']).toBe(mails[0]?.headers['message-id'])
  const steps = await stage.database.sql(
    'SELECT step FROM notification_steps WHERE notification_id = $1 ORDER BY number',
    [id],
  )
  expect(steps.map(({ step }) => step)).toEqual(['unknown', 'resent', 'sent'])
  expect(await runtime.as(() => service.resendNotification(id))).toEqual({ ok: false, error: 'not_resendable' })
})

test('what cannot be sent once more is refused by its reason', async () => {
  const { service, runtime } = await stage.service({ mailUrl: sink.url })
  const resend = (id: string) => runtime.as(() => service.resendNotification(id))
  expect(await resend(stage.newId())).toEqual({ ok: false, error: 'not_found' })
  expect(await resend('nothing')).toEqual({ ok: false, error: 'not_found' })

  const failed = async (email: string, reply: string) => {
    sink.script(email, { at: 'rcpt', reply })
    return (await becomes(await mailTo(email), { status: 'failed' }))?.id ?? ''
  }
  expect(await resend(await failed('bounced@resend.test', '550 5.1.1 nobody'))).toMatchObject({
    error: 'address_suppressed',
  })
  const dropped = await failed('dropped@resend.test', '554 no')
  await stage.database.sql('DELETE FROM notification_contents WHERE notification_id = $1', [dropped])
  expect(await resend(dropped)).toMatchObject({ error: 'content_dropped' })
  const expired = await failed('expired@resend.test', '554 no')
  await stage.database.sql(
    `UPDATE notification_contents SET expires_at = now() - interval '1 second' WHERE notification_id = $1`,
    [expired],
  )
  expect(await resend(expired)).toMatchObject({ error: 'content_expired' })
})

test('two hundred to one address: one mail now, twenty wait, the others are suppressed', async () => {
  const { service } = await stage.service({ mailUrl: sink.url })
  const ask = await askerOf(service)
  const to = 'flood@x.test'
  const json = {
    template: 'payment-failed',
    to,
    variables: { transactionId: 't', amount: '1.00', errorMessage: 'declined' },
  }
  const replies = await Promise.all(Array.from({ length: 200 }, () => ask('POST', '/notifications/send', { json })))
  expect(replies.map(({ status }) => status).filter((status) => status !== 202)).toEqual([])
  const statuses = replies.map(({ body }) => body.status)
  expect(statuses.filter((status) => status === 'queued')).toHaveLength(21)
  expect(statuses.filter((status) => status === 'suppressed')).toHaveLength(179)
  await eventually(() => receivedBy(to).length === 1)
  await sleep(1_000)
  expect(receivedBy(to)).toHaveLength(1)
  const waiting = (await ask('GET', `/notifications?status=queued&recipient=${to}&limit=100`)).body.data as {
    reason: string
    nextAttemptAt: string
  }[]
  expect(waiting.map(({ reason }) => reason)).toEqual(Array.from({ length: 20 }, () => 'rate_limited'))
  const times = waiting.map(({ nextAttemptAt }) => Date.parse(nextAttemptAt)).sort((a, b) => a - b)
  for (const [at, time] of times.entries()) {
    if (at > 0) expect(Math.abs(time - (times[at - 1] ?? 0) - 60_000)).toBeLessThan(1_000)
  }
  // Links pass all the same.
  await becomes(await mailTo(to), { status: 'sent' })
})

/** Times at which mails of the template to that address came in, in milliseconds. */
const paced = async (to: string, count: number): Promise<number[]> => {
  const rows = await eventually(async () => {
    const found = await stage.database.sql<{ at: number }>(
      `SELECT (extract(epoch FROM s.handed_at) * 1000)::float8 AS at FROM notification_steps s
       JOIN notifications n ON n.id = s.notification_id JOIN notification_contents c ON c.notification_id = n.id
       WHERE s.step = 'sent' AND c.address_hash = (
         SELECT address_hash FROM notification_contents WHERE notification_id = $1) ORDER BY s.handed_at`,
      [to],
    )
    expect(found).toHaveLength(count)
    return found
  }, 20_000)
  return rows.map(({ at }) => at)
}
const gapsOf = (times: readonly number[]): number[] => times.slice(1).map((time, at) => time - (times[at] ?? 0))

test('slots are kept in sending, and after a pause of the process what piled up goes out one by one', async () => {
  const settings = { mailUrl: sink.url, rateSeconds: 1 }
  const first = await stage.service(settings)
  const ask = await askerOf(first.service)
  const send = (to: string) =>
    ask('POST', '/notifications/send', { json: { template: 'welcome', to, variables: { email: to } } })
  const steady = await Promise.all([1, 2, 3, 4].map(() => send('steady@x.test')))
  const gaps = gapsOf(await paced(String(steady[0]?.body.id), 4))
  for (const gap of gaps) expect(gap).toBeGreaterThan(850)

  const piled = await Promise.all([1, 2, 3, 4].map(() => send('piled@x.test')))
  await stage.stopAll()
  await stage.database.sql(
    `UPDATE notifications SET next_attempt_at = now() - interval '1 minute' WHERE status = 'queued'`,
  )
  await stage.service(settings)
  const late = gapsOf(await paced(String(piled[0]?.body.id), 4))
  for (const gap of late) expect(gap).toBeGreaterThan(850)
})

test('what still waits when its day is over is suppressed for the rate', async () => {
  const { service } = await stage.service({ mailUrl: sink.url })
  const ask = await askerOf(service)
  const json = { template: 'welcome', to: 'day@x.test', variables: { email: 'day@x.test' } }
  await ask('POST', '/notifications/send', { json })
  const second = await ask('POST', '/notifications/send', { json })
  await stage.database.sql(
    `UPDATE notifications SET next_attempt_at = now(), deadline_at = now() - interval '1 second' WHERE id = $1`,
    [second.body.id],
  )
  await eventually(async () => {
    const { body } = await ask('GET', `/notifications/${String(second.body.id)}`)
    expect(body).toMatchObject({ status: 'suppressed', reason: 'rate_limited' })
  })
})

test('names and subjects cannot begin a header, whoever brings them', async () => {
  const { service } = await stage.service({ mailUrl: sink.url })
  const ask = await askerOf(service)
  const evil = 'Eve\r\nBcc: all@x.test\r\n\r\n<h1>hi</h1>'
  const user = { userId: stage.newId(), email: 'inject@x.test', timestamp: new Date().toISOString() }
  const data = { ...user, firstName: evil, lastName: evil }
  await stage.publish(
    userRegistered.of({ subject: user.userId, data }),
    userVerified.of({ subject: user.userId, data }),
  )
  const [trigger] = await stage.publish(stage.mailRequest({ email: 'inject@x.test', firstName: evil }))
  await becomes(trigger, { status: 'sent' })
  await ask('PUT', '/notifications/templates/injected', {
    json: { subject: 'Hi {{name}}', html: '{{name}}', text: '{{name}}' },
  })
  const refused = await ask('POST', '/notifications/send', {
    json: { template: 'injected', to: 'inject@x.test', variables: { name: evil } },
  })
  expect(refused.status).toBe(400)
  await eventually(() => receivedBy('inject@x.test').length === 2)
  for (const { headers, raw } of receivedBy('inject@x.test')) {
    expect(headers).not.toHaveProperty('bcc')
    expect(raw).not.toContain('<h1>hi</h1>')
    expect(raw.split('\r\n').filter((line) => /^bcc/i.test(line))).toEqual([])
  }
})

test('a template of somebody’s own that makes too much fails its message, and nothing else', async () => {
  const { service, runtime } = await stage.service({ mailUrl: sink.url })
  const ask = await askerOf(service)
  const json = { subject: 's', html: '{{a}}'.repeat(200), text: 't' }
  expect((await ask('PUT', '/notifications/templates/huge', { json })).status).toBe(200)
  const { body } = await ask('POST', '/notifications/send', {
    json: { template: 'huge', to: 'huge@x.test', variables: { a: 'x'.repeat(2_000) } },
  })
  await eventually(async () => {
    const found = await ask('GET', `/notifications/${String(body.id)}`)
    expect(found.body).toMatchObject({ status: 'failed', reason: 'template_failed', attempts: 1 })
  })
  expect(runtime.logs.some(({ err }) => JSON.stringify(err ?? '').includes('more than 262144 bytes'))).toBe(true)
  await becomes(await mailTo('huge@x.test'), { status: 'sent' })
})

test('a slow server gets every mail once, over a pool of connections and by TLS', async () => {
  const certificate = selfSigned('127.0.0.1')
  const slow = await createSmtpSink({ replyDelayMs: 60, tls: { ...certificate, mode: 'starttls' } })
  try {
    const { createSmtpMailer } = await import('./infrastructure/mailers/smtp.ts')
    const mailer = createSmtpMailer({
      url: `${slow.url}?tls=required`,
      maxConnections: 4,
      connectTimeoutMs: 5_000,
      socketTimeoutMs: 5_000,
      sendTimeoutMs: 10_000,
      ca: certificate.cert,
    })
    await stage.service({}, { mailer })
    const triggers = await stage.publish(
      ...Array.from({ length: 12 }, (_, n) => stage.mailRequest({ email: `slow${n}@x.test` })),
    )
    for (const trigger of triggers) await becomes(trigger, { status: 'sent', attempts: 1 })
    expect(slow.messages.map(({ to }) => to).sort()).toEqual(triggers.map((_, n) => `slow${n}@x.test`).sort())
    expect(slow.connections()).toBeLessThanOrEqual(6)
  } finally {
    await stage.stopAll()
    await slow.close()
  }
})
