import { err, ok } from '@ashlar/kernel'
import { type Kysely, sql } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { sampleMigrations } from '../../test/sample.ts'
import { openWal } from '../../test/wal.ts'
import { type TestDatabase, type TestRuntime, testDatabase, testRuntime } from '../testing/index.ts'
import { createUnitOfWork, type Database, DependencyUnavailable, isOverdue, openDatabase } from './index.ts'

type Tables = { accounts: { id: string; name: string | null; balance: bigint }; notes: { text: string } }

let store: TestDatabase
let runtime: TestRuntime
let database: Database<Tables>
let commits: number
let wakes: number

const ID = '01990000-0000-7000-8000-000000000001'
const repositories = (db: Kysely<Tables>) => ({
  accounts: {
    insert: (id: string, name: string) => db.insertInto('accounts').values({ id, name, balance: 0n }).execute(),
    all: () => db.selectFrom('accounts').selectAll().execute(),
  },
})
const open = () =>
  createUnitOfWork({
    database,
    runtime,
    service: 'auth',
    repositories,
    afterCommit: () => {
      commits += 1
    },
    onAppended: () => {
      wakes += 1
    },
  })

beforeAll(async () => {
  store = await testDatabase('auth', sampleMigrations)
})
beforeEach(() => {
  runtime = testRuntime()
  database = openDatabase({ url: store.url, applicationName: 'test', runtime, service: 'auth' })
  commits = 0
  wakes = 0
})
afterEach(async () => {
  await database.close()
  await store.sql('DELETE FROM accounts; DELETE FROM outbox; DELETE FROM inbox')
})
afterAll(() => store.close())

const names = async () =>
  (await store.sql<{ name: string }>('SELECT name FROM accounts ORDER BY name')).map((r) => r.name)

test('the context of whoever did it precedes the changes of the transaction in the WAL', async () => {
  const wal = await openWal(store)
  const hostile = `'; DROP TABLE accounts; -- \\ \u0000 ü"`
  await runtime.as(
    () => open()((tx) => tx.accounts.insert(ID, 'Ann')),
    { type: 'user', id: 'u1' },
    { requestId: 'r1', ip: '::1', userAgent: hostile, reason: 'because' },
  )
  const [transaction, ...rest] = await wal.read()
  expect(rest).toEqual([])
  expect(transaction?.changes).toEqual(['I'])
  expect(transaction?.messages).toEqual([
    {
      actor: { type: 'user', id: 'u1' },
      requestId: 'r1',
      traceparent: expect.stringMatching(/^00-/),
      ip: '::1',
      userAgent: hostile,
      reason: 'because',
      sessionUser: 'ashlar_auth',
    },
  ])
  await wal.close()
})

test('a refusal is returned and commits; a throw rolls back and wakes nobody', async () => {
  const refused = await runtime.as(() =>
    open()(async (tx) => {
      await tx.accounts.insert(ID, 'kept')
      return err('refused')
    }),
  )
  expect(refused).toEqual(err('refused'))
  expect(await names()).toEqual(['kept'])
  expect(commits).toBe(1)

  const thrown = runtime.as(() =>
    open()(async (tx) => {
      await tx.accounts.insert(runtime.newId(), 'gone')
      await tx.outbox.append({ type: 'a.b.v1', subject: 's', data: {} })
      throw new Error('no')
    }),
  )
  await expect(thrown).rejects.toThrow('no')
  expect(await names()).toEqual(['kept'])
  expect(await store.sql('SELECT 1 FROM outbox')).toEqual([])
  expect(commits).toBe(1)
})

test('outside an execution context nothing is begun', async () => {
  await expect(open()(async () => ok(1))).rejects.toThrow('no execution context')
})

test('a swallowed SQL error does not pass for a commit', async () => {
  const work = runtime.as(() =>
    open()(async (tx) => {
      await tx.accounts.insert(ID, 'one')
      await tx.accounts.insert(ID, 'the same id').catch(() => undefined)
      return 'fine?'
    }),
  )
  await expect(work).rejects.toThrow('rolled back')
  expect(await names()).toEqual([])
  expect(commits).toBe(0)
})

test('the transaction cannot be used after it has ended', async () => {
  const leaked = await runtime.as(() => open()(async (tx) => tx))
  await expect(leaked.accounts.all()).rejects.toThrow('has ended')
})

test('parallel queries of one transaction are all inside it', async () => {
  await runtime.as(() =>
    open()((tx) => Promise.all(['a', 'b', 'c'].map((name) => tx.accounts.insert(runtime.newId(), name)))),
  )
  expect(await names()).toEqual(['a', 'b', 'c'])
})

test('a connection that breaks inside rolls back, is not repeated, and is told as unavailable', async () => {
  let runs = 0
  const work = runtime.as(() =>
    open()(async (tx) => {
      runs += 1
      await tx.accounts.insert(ID, 'lost')
      await store.cutConnections()
      await tx.accounts.insert(runtime.newId(), 'lost too')
    }),
  )
  await expect(work).rejects.toBeInstanceOf(DependencyUnavailable)
  expect(runs).toBe(1)
  expect(await names()).toEqual([])
  expect(await runtime.as(() => open()((tx) => tx.accounts.all()))).toEqual([])
})

test('a connection that breaks before COMMIT is answered is told as unavailable', async () => {
  const fault = runtime.faults.pauseAt('auth.commit.before')
  const work = runtime.as(() => open()((tx) => tx.accounts.insert(ID, 'unknown')))
  const outcome = expect(work).rejects.toBeInstanceOf(DependencyUnavailable)
  await fault.reached
  await store.cutConnections()
  fault.release()
  await outcome
  expect(commits).toBe(0)
})

test('connections that idled through a restart of the server cost no unit of work', async () => {
  const unitOfWork = open()
  const touch = () => runtime.as(() => unitOfWork((tx) => tx.accounts.all()))
  await Promise.all(Array.from({ length: 3 }, touch))
  await store.cutConnections()
  await expect(Promise.all(Array.from({ length: 3 }, touch))).resolves.toHaveLength(3)
})

test('while the store is away it says so at once, and afterwards it works again', async () => {
  const restore = await store.outage()
  const started = Date.now()
  await expect(runtime.as(() => open()((tx) => tx.accounts.all()))).rejects.toBeInstanceOf(DependencyUnavailable)
  await expect(database.ping()).rejects.toMatchObject({ dependency: 'postgres' })
  expect(Date.now() - started).toBeLessThan(2_000)
  await restore()
  await expect(runtime.as(() => open()((tx) => tx.accounts.all()))).resolves.toEqual([])
})

test('events appended in one transaction keep their order and carry its context', async () => {
  await runtime.as(
    () =>
      open()((tx) =>
        tx.outbox.append(
          ...Array.from({ length: 30 }, (_, index) => ({
            type: 'a.b.v1',
            subject: 's',
            sequence: index,
            data: { text: '\u0000 "' },
          })),
        ),
      ),
    { type: 'user', id: 'u9' },
    { requestId: 'r9' },
  )
  const rows = await store.sql<{ event_id: string; envelope: { id: string; sequence: number } }>(
    'SELECT event_id, envelope FROM outbox ORDER BY id',
  )
  expect(rows.map((row) => row.envelope.sequence)).toEqual(Array.from({ length: 30 }, (_, index) => index))
  for (const { event_id: id, envelope } of rows) {
    expect(envelope).toMatchObject({ id, correlationid: 'r9', actor: 'user:u9', data: { text: '\u0000 "' } })
  }
})

test('only a commit that appended wakes the relay, once, whatever it appended', async () => {
  const unitOfWork = open()
  const event = { type: 'a.b.v1', subject: 's', data: {} }
  await runtime.as(() => unitOfWork((tx) => tx.accounts.insert(ID, 'no event')))
  await runtime.as(() => unitOfWork((tx) => tx.outbox.append()))
  expect([commits, wakes]).toEqual([2, 0])
  await runtime.as(() =>
    unitOfWork(async (tx) => {
      await tx.outbox.append(event)
      await tx.outbox.append(event, event)
    }),
  )
  expect([commits, wakes]).toEqual([3, 1])
  expect(await store.sql('SELECT 1 FROM outbox')).toHaveLength(3)
})

test('an event that cannot be stored rolls everything back, and one appended too late is refused', async () => {
  await store.sql(`ALTER TABLE outbox ADD CONSTRAINT no_bad CHECK (envelope ->> 'subject' <> 'bad')`)
  const work = runtime.as(() =>
    open()(async (tx) => {
      await tx.accounts.insert(ID, 'with it')
      await tx.outbox.append({ type: 'a.b.v1', subject: 'bad', data: {} })
    }),
  )
  await expect(work).rejects.toMatchObject({ code: '23514' })
  await store.sql('ALTER TABLE outbox DROP CONSTRAINT no_bad')
  expect([await names(), commits, wakes]).toEqual([[], 0, 0])
  const { outbox } = await runtime.as(() => open()(async (tx) => tx))
  await expect(runtime.as(() => outbox.append({ type: 'a.b.v1', subject: 's', data: {} }))).rejects.toThrow('has ended')
})

test('a transaction that the server ended throws at once, although its work waits for something else', async () => {
  const begun = Promise.withResolvers<void>()
  const hang = () => new Promise<void>(() => {})
  const cut = runtime.as(() =>
    open()(async (tx) => {
      await tx.accounts.insert(ID, 'gone')
      begun.resolve()
      await hang()
    }),
  )
  const outcome = expect(cut).rejects.toSatisfy((error) => error instanceof DependencyUnavailable && !isOverdue(error))
  await begun.promise
  await store.cutConnections()
  await outcome

  const idle = runtime.as(() =>
    open()(async ({ db }) => {
      await sql`SET LOCAL idle_in_transaction_session_timeout = '100ms'`.execute(db)
      await hang()
    }),
  )
  await expect(idle).rejects.toSatisfy(isOverdue)
  // Neither holds its connection: all of the pool is there.
  await Promise.all(Array.from({ length: 10 }, () => runtime.as(() => open()((tx) => tx.accounts.all()))))
})

test('an event that is recorded with BEGIN is first once, leaves its row, and goes with a rollback', async () => {
  const unitOfWork = open()
  const event = { subscription: `it's`, eventId: runtime.newId() }
  const first = () => runtime.as(() => unitOfWork((tx) => tx.inbox.first(event.subscription, event.eventId), event))
  const thrown = runtime.as(() =>
    unitOfWork(async (tx) => {
      expect(await tx.inbox.first(event.subscription, event.eventId)).toBe(true)
      throw new Error('no')
    }, event),
  )
  await expect(thrown).rejects.toThrow('no')
  expect((await Promise.all(Array.from({ length: 8 }, first))).filter(Boolean)).toHaveLength(1)
  expect(await first()).toBe(false)
  expect(await store.sql('SELECT subscription, event_id FROM inbox')).toEqual([
    { subscription: event.subscription, event_id: event.eventId },
  ])
  const others = await runtime.as(() =>
    unitOfWork(
      async ({ inbox }) => [
        await inbox.first('another', event.eventId),
        await inbox.first(event.subscription, event.eventId),
      ],
      { subscription: 'third', eventId: event.eventId },
    ),
  )
  expect(others).toEqual([true, false])
})

test('of two transactions that handle one event, one does', async () => {
  const unitOfWork = open()
  const firsts = await Promise.all(
    Array.from({ length: 8 }, () => runtime.as(() => unitOfWork((tx) => tx.inbox.first('reader', ID)))),
  )
  expect(firsts.filter(Boolean)).toHaveLength(1)
})
