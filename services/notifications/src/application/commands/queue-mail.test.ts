import { systemClock } from '@ashlar/kernel'
import { createUnitOfWork, type Database, openDatabase } from '@ashlar/platform/postgres'
import { type TestDatabase, testDatabase, testRuntime } from '@ashlar/platform/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BUILT_IN_TEMPLATES } from '../../domain/templates/built-in.ts'
import { notificationsMigrations } from '../../index.ts'
import { createContentSeal } from '../../infrastructure/content-seal.ts'
import { createRepositories } from '../../infrastructure/postgres/repositories.ts'
import type { NotificationsDatabase } from '../../infrastructure/postgres/schema.ts'
import type { Rate } from '../ports.ts'
import { type MailOrder, queueMail } from './queue-mail.ts'
import { seedTemplates } from './seed-templates.ts'

const runtime = testRuntime({ clock: systemClock })
let testing: TestDatabase
let database: Database<NotificationsDatabase>

const unitOfWorkOf = () =>
  createUnitOfWork({ database, runtime, service: 'notifications', repositories: createRepositories })

beforeAll(async () => {
  testing = await testDatabase('notifications', notificationsMigrations)
  database = openDatabase({ url: testing.url, applicationName: 'test', runtime, service: 'notifications' })
  await seedTemplates({ runtime, unitOfWork: unitOfWorkOf(), templates: BUILT_IN_TEMPLATES })()
})
afterAll(async () => {
  await database.close()
  await testing.close()
})

const seal = createContentSeal(runtime.keys)
let suppressedCount = 0
const queue = async (order: MailOrder, rate: Rate = { seconds: 60, waiting: 20 }): Promise<string> => {
  const run = queueMail({
    seal,
    clock: runtime.clock,
    newId: runtime.newId,
    context: runtime.context,
    messageIdDomain: 'shop.test',
    retrySeconds: 86_400,
    rate,
    onSuppressed: () => {
      suppressedCount += 1
    },
  })
  return (await runtime.as(() => unitOfWorkOf()((tx) => run(tx, order)))).outcome
}

const order = (own: Partial<MailOrder> = {}): MailOrder => ({
  triggerId: runtime.newId(),
  template: 'email-already-registered',
  to: 'ada@x.test',
  userId: null,
  variables: {},
  ...own,
})

test('ten deliveries of one trigger at once make one message with one content', async () => {
  const same = order()
  const results = await Promise.all(Array.from({ length: 10 }, () => queue(same)))
  expect(results.filter((result) => result === 'queued')).toHaveLength(1)
  expect(results.filter((result) => result === 'duplicate')).toHaveLength(9)
  const rows = await testing.sql(
    'SELECT c.notification_id FROM notifications n JOIN notification_contents c ON c.notification_id = n.id WHERE trigger_id = $1',
    [same.triggerId],
  )
  expect(rows).toHaveLength(1)
})

test('one trigger may have several recipients and templates', async () => {
  const first = order({ userId: runtime.newId() })
  expect(await queue(first)).toBe('queued')
  expect(await queue({ ...first, userId: runtime.newId() })).toBe('queued')
  expect(await queue({ ...first, userId: null })).toBe('queued')
  expect(await queue({ ...first, userId: null, to: 'ADA@X.test' })).toBe('duplicate')
  expect(await queue({ ...first, userId: null, to: 'eve@x.test' })).toBe('queued')
})

test('a template that does not exist leaves nothing', async () => {
  const bad = order({ template: 'nothing' })
  await expect(queue(bad)).rejects.toThrow('template_version')
  expect(await testing.sql('SELECT 1 FROM notifications WHERE trigger_id = $1', [bad.triggerId])).toEqual([])
})

const waitingTo = async (to: string) =>
  testing.sql<{ status: string; reason: string | null; slot: number }>(
    `SELECT n.status, n.reason, round(extract(epoch FROM n.next_attempt_at - min(n.next_attempt_at) OVER ()))::int AS slot
     FROM notifications n LEFT JOIN notification_contents c ON c.notification_id = n.id
     WHERE n.recipient = $1 ORDER BY n.next_attempt_at, n.status`,
    [`address:${seal.hashAddress(to)}`],
  )

test('two hundred at once to one address: one now, twenty wait a minute apart, the others are suppressed', async () => {
  const to = 'flood@x.test'
  const before = suppressedCount
  const results = await Promise.all(
    Array.from({ length: 200 }, () => queue(order({ to, template: 'welcome', variables: { email: to } }))),
  )
  expect(results.filter((result) => result === 'queued')).toHaveLength(21)
  expect(results.filter((result) => result === 'suppressed')).toHaveLength(179)
  expect(suppressedCount - before).toBe(179)
  const rows = await waitingTo(to)
  const queued = rows.filter(({ status }) => status === 'queued')
  expect(queued.map(({ slot }) => slot)).toEqual(Array.from({ length: 21 }, (_, minute) => minute * 60))
  expect(queued.map(({ reason }) => reason)).toEqual([null, ...Array.from({ length: 20 }, () => 'rate_limited')])
  expect(rows.filter(({ status }) => status === 'suppressed').every(({ reason }) => reason === 'rate_limited')).toBe(
    true,
  )

  // Another template and another address are on their own; the same address in another spelling is not.
  expect(await queue(order({ to, template: 'payment-received' }))).toBe('queued')
  expect(await queue(order({ to: 'other@x.test', template: 'welcome' }))).toBe('queued')
  expect(await queue(order({ to: 'FLOOD@x.test', template: 'welcome' }))).toBe('suppressed')
})

test('codes, links and alerts pass the rate, and a rate of nothing holds nobody', async () => {
  const to = 'pass@x.test'
  for (const template of ['password-reset', 'security-alert']) {
    for (let n = 0; n < 30; n += 1) expect(await queue(order({ to, template }))).toBe('queued')
  }
  for (let n = 0; n < 30; n += 1)
    expect(await queue(order({ to, template: 'welcome' }), { seconds: 0, waiting: 20 })).toBe('queued')
  const rows = await waitingTo(to)
  expect(rows).toHaveLength(90)
  expect(rows.filter(({ status, reason }) => status !== 'queued' || reason !== null)).toEqual([])
})

test('a delivery that is repeated takes no slot of the rate', async () => {
  const to = 'slots@x.test'
  const same = order({ to, template: 'welcome' })
  await queue(same)
  for (let n = 0; n < 5; n += 1) expect(await queue(same)).toBe('duplicate')
  await queue(order({ to, template: 'welcome' }))
  expect((await waitingTo(to)).map(({ slot }) => slot)).toEqual([0, 60])
})

test('a message keeps the version that was the newest when it was queued', async () => {
  const first = order({ to: 'version@x.test', template: 'payment-refunded' })
  await queue(first)
  await runtime.as(() =>
    unitOfWorkOf()(async (tx) => {
      const latest = await tx.templates.lockLatest('payment-refunded')
      if (latest) await tx.templates.add({ ...latest, version: 2, origin: 'own' })
    }),
  )
  const second = order({ to: 'version@x.test', template: 'payment-refunded' })
  await queue(second)
  const versions = await testing.sql<{ template_version: number }>(
    'SELECT template_version FROM notifications WHERE trigger_id = ANY ($1::uuid[]) ORDER BY created_at',
    [[first.triggerId, second.triggerId]],
  )
  expect(versions.map((row) => row.template_version)).toEqual([1, 2])
})

test('a release that starts again, or an older one after a newer one, adds no version and touches nobody’s own', async () => {
  const seed = (subject?: string) =>
    seedTemplates({
      runtime,
      unitOfWork: unitOfWorkOf(),
      templates: BUILT_IN_TEMPLATES.map((template) => (subject === undefined ? template : { ...template, subject })),
    })()
  const versions = async (name: string) =>
    (
      await testing.sql<{ origin: string }>('SELECT origin FROM templates WHERE name = $1 ORDER BY version', [name])
    ).map(({ origin }) => origin)
  await Promise.all([seed(), seed(), seed()])
  expect(await versions('welcome')).toEqual(['built-in'])
  await Promise.all([seed('Newer'), seed('Newer')])
  await seed()
  expect(await versions('welcome')).toEqual(['built-in', 'built-in'])
  expect(await versions('payment-refunded')).toEqual(['built-in', 'own'])
})

test('no version of a template can be changed or removed by the service', async () => {
  await expect(database.db.updateTable('templates').set({ subject: 'x' }).execute()).rejects.toThrow(
    'permission denied',
  )
  await expect(database.db.deleteFrom('templates').execute()).rejects.toThrow('permission denied')
})

test('every table is declared audited or technical', async () => {
  expect(await testing.sql('SELECT * FROM ashlar.undeclared')).toEqual([])
})
