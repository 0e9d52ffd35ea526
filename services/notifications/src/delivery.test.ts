import { userRegistered, userVerified } from '@ashlar/auth/contract'
import { createSmtpSink, eventually, type SmtpSink } from '@ashlar/platform/testing'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { openStage, type Stage } from '../test/composition.ts'

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
const becomes = (triggerId: string | undefined, expected: Partial<Row>, withinMs = 10_000): Promise<Row | undefined> =>
  eventually(async () => {
    const row = await rowOf(triggerId)
    expect(row).toMatchObject(expected)
    return row
  }, withinMs)

// A process that does not look after its own lost claims, so that what it leaves is found by the next one.
const careless = { settleMs: 60_000, pollMs: 60_000 }

test.each(['notifications.send.claimed', 'notifications.send.handed'])(
  'after a crash at %s the next process settles the claim, and the message was handed over once',
  async (point) => {
    const email = `${point}@x.test`
    const first = await stage.service(careless)
    first.runtime.faults.throwAt(point)
    const [triggerId] = await stage.publish(stage.mailRequest({ email }))
    await eventually(() => first.runtime.faults.hits(point) === 1)
    expect(await rowOf(triggerId)).toMatchObject({ status: 'sending' })

    const second = await stage.service()
    await becomes(triggerId, { status: 'sent' })
    const { data } = await second.service.mailbox.list({ to: email })
    expect(data.map(({ handOvers }) => handOvers)).toEqual([1])
  },
)

test('after a crash around the hand-over to a mail server the message stays unknown and is not repeated', async () => {
  const settings = { mailUrl: sink.url }
  const first = await stage.service({ ...settings, ...careless })
  first.runtime.faults.throwAt('notifications.send.handed')
  const [triggerId] = await stage.publish(stage.mailRequest({ email: 'once@x.test' }))
  await eventually(() => first.runtime.faults.hits('notifications.send.handed') === 1)

  await stage.service(settings)
  await becomes(triggerId, { status: 'unknown', reason: 'claim_lost', attempts: 1 })
  await new Promise((resolve) => setTimeout(resolve, 1_200))
  expect(await rowOf(triggerId)).toMatchObject({ status: 'unknown', attempts: 1 })
  expect(sink.messages.filter(({ to }) => to === 'once@x.test')).toHaveLength(1)
})

test('a claim that its own process lost before the mailer was called is queued again, whatever the mailer', async () => {
  const { runtime } = await stage.service({ mailUrl: sink.url })
  runtime.faults.throwAt('notifications.send.claimed')
  const [triggerId] = await stage.publish(stage.mailRequest({ email: 'untouched@x.test' }))
  await becomes(triggerId, { status: 'sent', attempts: 2 })
  expect(sink.attempts('untouched@x.test')).toBe(1)
})

test('a claim that its own process lost after the hand-over is found out', async () => {
  const { service, runtime } = await stage.service()
  runtime.faults.throwAt('notifications.send.handed')
  const [triggerId] = await stage.publish(stage.mailRequest({ email: 'self@x.test' }))
  await becomes(triggerId, { status: 'sent', attempts: 1 })
  expect((await service.mailbox.list({ to: 'self@x.test' })).data).toMatchObject([{ handOvers: 1 }])
})

test('the claim is committed before the mailer is called', async () => {
  const { runtime } = await stage.service()
  const pause = runtime.faults.pauseAt('notifications.send.claimed')
  const [triggerId] = await stage.publish(stage.mailRequest({ email: 'claim@x.test' }))
  await pause.reached
  expect(await rowOf(triggerId)).toMatchObject({ status: 'sending', attempts: 1 })
  pause.release()
  await becomes(triggerId, { status: 'sent' })
})

test('parallel processes hand each message over once', async () => {
  const alive = { ownerAlive: () => true }
  const services = await Promise.all([1, 2, 3].map(() => stage.service({}, alive)))
  const triggers = await stage.publish(
    ...Array.from({ length: 60 }, (_, n) => stage.mailRequest({ email: `p${n}@parallel.test` })),
  )
  await eventually(async () => {
    const sent = await stage.database.sql(
      `SELECT 1 FROM notifications WHERE status = 'sent' AND attempts = 1 AND trigger_id = ANY ($1::uuid[])`,
      [triggers],
    )
    expect(sent).toHaveLength(60)
  })
  const { data } = (await services[0]?.service.mailbox.list({ limit: 500 })) ?? { data: [] }
  const mine = data.filter(({ to }) => to.endsWith('@parallel.test'))
  expect(mine).toHaveLength(60)
  expect(mine.every(({ handOvers }) => handOvers === 1)).toBe(true)
})

test('an event that is delivered again makes no second mail', async () => {
  const { service } = await stage.service()
  const request = stage.mailRequest({ email: 'again@x.test' })
  const [triggerId] = await stage.publish(request)
  await becomes(triggerId, { status: 'sent' })
  // As if the inbox had forgotten it: the constraint holds by itself.
  await expect(
    stage.database.sql(
      `INSERT INTO notifications (id, trigger_id, channel, template, template_version, recipient, urgent, message_id,
                                  status, request_id, traceparent, deadline_at)
       SELECT gen_random_uuid(), trigger_id, channel, template, template_version, recipient, urgent, 'other',
              'queued', request_id, traceparent, deadline_at FROM notifications WHERE trigger_id = $1`,
      [triggerId],
    ),
  ).rejects.toThrow('notifications_once')
  expect((await service.mailbox.list({ to: 'again@x.test' })).data).toHaveLength(1)
})

test('a mail server’s answers decide: later, never, unknown', async () => {
  await stage.service({ mailUrl: sink.url })
  sink.script('later@x.test', { at: 'rcpt', reply: '451 4.3.0 later' })
  sink.script('never@x.test', { at: 'rcpt', reply: '550 5.1.1 nobody' })
  sink.script('before@x.test', { at: 'data', cut: true })
  sink.script('after@x.test', { at: 'dot', cut: true })
  const [later, never, before, after] = await stage.publish(
    ...['later', 'never', 'before', 'after'].map((name) => stage.mailRequest({ email: `${name}@x.test` })),
  )
  await becomes(never, { status: 'failed', reason: 'smtp_550', attempts: 1 })
  await becomes(after, { status: 'unknown', reason: 'smtp_econnection', attempts: 1 })
  await becomes(later, { status: 'sent', reason: null, attempts: 2 })
  await becomes(before, { status: 'sent', attempts: 2 })
  expect(await rowOf(after)).toMatchObject({ status: 'unknown', attempts: 1 })
  for (const name of ['later', 'before', 'after']) {
    expect(sink.messages.filter(({ to }) => to === `${name}@x.test`)).toHaveLength(1)
  }
  expect(sink.attempts('never@x.test')).toBe(1)
})

test('a mail server that is away delays messages and stops nothing', async () => {
  await sink.down()
  const { service, runtime } = await stage.service({ mailUrl: sink.url })
  await eventually(() => runtime.logs.some(({ message }) => message.startsWith('the mailer is not ready')))
  expect((await service.http.healthReport()).dependencies).toMatchObject({ mail: { status: 'down' } })
  expect(await service.http.unready()).toBeUndefined()
  const [triggerId] = await stage.publish(stage.mailRequest({ email: 'away@x.test' }))
  await becomes(triggerId, { status: 'queued', attempts: 1 })
  await sink.up()
  await becomes(triggerId, { status: 'sent' })
})

test('a store that is away when the outcome is recorded makes nothing unknown', async () => {
  const { service, runtime } = await stage.service()
  // What earlier tests left is sent by this service too: the pause below must catch this test's own message.
  await eventually(
    async () =>
      (await stage.database.sql(`SELECT 1 FROM notifications WHERE status IN ('queued', 'sending', 'unknown')`))
        .length === 0,
    15_000,
  )
  const pause = runtime.faults.pauseAt('notifications.send.handed')
  const [triggerId] = await stage.publish(stage.mailRequest({ email: 'store@x.test' }))
  await pause.reached
  const restore = await stage.database.outage()
  pause.release()
  await new Promise((resolve) => setTimeout(resolve, 300))
  await restore()
  await becomes(triggerId, { status: 'sent', attempts: 1 })
  expect((await service.mailbox.list({ to: 'store@x.test' })).data).toMatchObject([{ handOvers: 1 }])
  expect(runtime.logs.filter(({ message }) => message.includes('are unknown now'))).toEqual([])
})

test('links do not wait behind other mails that are slow', async () => {
  await stage.service({ mailUrl: sink.url, senders: 1 })
  const users = Array.from({ length: 3 }, (_, n) => ({
    userId: stage.newId(),
    email: `slow${n}@x.test`,
    firstName: null,
    lastName: null,
    timestamp: new Date().toISOString(),
  }))
  for (const { email } of users) sink.script(email, { at: 'dot', reply: '250 ok', delayMs: 1_500 })
  await stage.publish(
    ...users.flatMap((data) => [
      userRegistered.of({ subject: data.userId, data }),
      userVerified.of({ subject: data.userId, data }),
    ]),
  )
  await eventually(() => users.some(({ email }) => sink.attempts(email) > 0))
  const startedAt = performance.now()
  const [triggerId] = await stage.publish(stage.mailRequest({ email: 'quick@x.test' }))
  await becomes(triggerId, { status: 'sent' })
  expect(performance.now() - startedAt).toBeLessThan(1_400)
})

test('texts are dropped after their time, what happened stays', async () => {
  const { service } = await stage.service()
  const [old, fresh] = await stage.publish(
    stage.mailRequest({ email: 'old@x.test' }),
    stage.mailRequest({ email: 'fresh@x.test' }),
  )
  const { id } = (await becomes(old, { status: 'sent' })) ?? {}
  await becomes(fresh, { status: 'sent' })
  const aged = `now() - interval '31 days'`
  await stage.database.sql(`UPDATE notification_contents SET created_at = ${aged} WHERE notification_id = $1`, [id])
  await stage.database.sql(`UPDATE mailbox SET sent_at = ${aged} WHERE notification_id = $1`, [id])
  expect(await service.pruneContents()).toEqual({ contents: 1, mailbox: 1 })
  expect(await stage.database.sql('SELECT 1 FROM notification_contents WHERE notification_id = $1', [id])).toEqual([])
  expect(await rowOf(old)).toMatchObject({ status: 'sent' })
  expect((await service.mailbox.list({ to: 'fresh@x.test' })).data).toHaveLength(1)
})

test('stopping finishes and records what is being handed over, and takes no more', async () => {
  const { service, runtime } = await stage.service()
  const pause = runtime.faults.pauseAt('notifications.send.handed')
  const [triggerId] = await stage.publish(stage.mailRequest({ email: 'stop@x.test' }))
  await pause.reached
  const stopping = service.stop()
  pause.release()
  await stopping
  expect(await rowOf(triggerId)).toMatchObject({ status: 'sent' })
})

test('a content that was tampered with fails its message and is not tried again', async () => {
  const { runtime } = await stage.service(careless)
  runtime.faults.throwAt('notifications.send.claimed')
  const [triggerId] = await stage.publish(stage.mailRequest({ email: 'tamper@x.test' }))
  await eventually(() => runtime.faults.hits('notifications.send.claimed') === 1)
  const { id } = (await rowOf(triggerId)) ?? {}
  await stage.database.sql('UPDATE notification_contents SET sealed = $2 WHERE notification_id = $1', [
    id,
    Buffer.alloc(40, 1),
  ])
  await stage.service()
  await becomes(triggerId, { status: 'failed', reason: 'content_unreadable' })
})

test('what an earlier release queued, its texts rendered already, is sent as it is', async () => {
  const { service, runtime } = await stage.service()
  const id = stage.newId()
  const content = { to: 'earlier@x.test', subject: 'As it was', html: '<p>Hello</p>', text: 'Hello' }
  const place = { table: 'notification_contents', column: 'sealed', row: id }
  await stage.database.sql(
    `WITH message AS (
       INSERT INTO notifications (id, trigger_id, channel, template, template_version, recipient, urgent, message_id,
                                  status, request_id, traceparent, deadline_at)
       VALUES ($1::uuid, $1::uuid, 'email', 'welcome', 1, 'address:0', false, '<earlier@x.test>', 'queued', 'r',
               '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', now() + interval '1 day') RETURNING id)
     INSERT INTO notification_contents (notification_id, sealed) SELECT id, $2 FROM message`,
    [id, runtime.keys.seal('notification-content', JSON.stringify(content), place)],
  )
  const [mail] = await eventually(async () => {
    const { data } = await service.mailbox.list({ to: 'earlier@x.test' })
    expect(data).toHaveLength(1)
    return data
  })
  expect(mail).toMatchObject({ subject: 'As it was', text: 'Hello', handOvers: 1 })
})

test('senders that have nothing to do look for work at their pace, not at full speed', async () => {
  await stage.service({ pollMs: 200, settleMs: 60_000 })
  const looks = async () => {
    const [row] = await stage.database.sql<{ n: number }>(
      'SELECT xact_commit::int AS n FROM pg_stat_database WHERE datname = current_database()',
    )
    return row?.n ?? 0
  }
  await new Promise((resolve) => setTimeout(resolve, 500))
  const before = await looks()
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  // Two loops at five looks a second, and this test's own; statistics come up to a second late.
  expect((await looks()) - before).toBeLessThan(60)
})
