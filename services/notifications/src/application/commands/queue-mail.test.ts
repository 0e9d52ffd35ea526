import { systemClock } from '@ashlar/kernel'
import { createUnitOfWork, type Database, openDatabase } from '@ashlar/platform/postgres'
import { type TestDatabase, testDatabase, testRuntime } from '@ashlar/platform/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BUILT_IN_TEMPLATES } from '../../domain/templates/built-in.ts'
import { notificationsMigrations } from '../../index.ts'
import { createContentSeal } from '../../infrastructure/content-seal.ts'
import { createRenderer } from '../../infrastructure/handlebars/renderer.ts'
import { createContactRepository, createContentRepository } from '../../infrastructure/postgres/contents.ts'
import { createMailboxRepository } from '../../infrastructure/postgres/mailbox.ts'
import { createNotificationRepository } from '../../infrastructure/postgres/notifications.ts'
import type { Db, NotificationsDatabase } from '../../infrastructure/postgres/schema.ts'
import { type MailOrder, queueMail } from './queue-mail.ts'

const runtime = testRuntime({ clock: systemClock })
let testing: TestDatabase
let database: Database<NotificationsDatabase>

beforeAll(async () => {
  testing = await testDatabase('notifications', notificationsMigrations)
  database = openDatabase({ url: testing.url, applicationName: 'test', runtime, service: 'notifications' })
})
afterAll(async () => {
  await database.close()
  await testing.close()
})

const queue = (order: MailOrder) => {
  const unitOfWork = createUnitOfWork({
    database,
    runtime,
    service: 'notifications',
    repositories: (db: Db) => ({
      notifications: createNotificationRepository(db),
      contents: createContentRepository(db),
      contacts: createContactRepository(db),
      mailbox: createMailboxRepository(db),
    }),
  })
  const run = queueMail({
    templates: BUILT_IN_TEMPLATES,
    renderer: createRenderer({ maxBytes: 262_144, maxMs: 200, cachedTemplates: 10 }),
    seal: createContentSeal(runtime.keys),
    clock: runtime.clock,
    newId: runtime.newId,
    context: runtime.context,
    product: 'Shop',
    messageIdDomain: 'shop.test',
    retrySeconds: 86_400,
  })
  return runtime.as(() => unitOfWork((tx) => run(tx, order)))
}

const order = (own: Partial<MailOrder> = {}): MailOrder => ({
  triggerId: runtime.newId(),
  template: 'email-already-registered',
  to: 'ada@x.test',
  userId: null,
  variables: { signInLink: 'http://shop.test' },
  urgent: true,
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

test('a template that cannot be rendered leaves nothing', async () => {
  const bad = order({ variables: {} })
  await expect(queue(bad)).rejects.toThrow('lacks its variable')
  expect(await testing.sql('SELECT 1 FROM notifications WHERE trigger_id = $1', [bad.triggerId])).toEqual([])
})

test('every table is declared audited or technical', async () => {
  expect(await testing.sql('SELECT * FROM ashlar.undeclared')).toEqual([])
})
