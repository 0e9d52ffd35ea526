import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { newTraceparent } from '../../context/index.ts'
import type { Envelope } from '../../events/index.ts'
import { Session } from '../../postgres/index.ts'
import { eventually, type TestDatabase, type TestRuntime, testBusDatabase, testRuntime } from '../../testing/index.ts'
import { delayAfter } from '../bus.ts'
import { type Bus, createBusRetention, createPostgresBus, DEFAULT_RETRY, pruneBus } from '../index.ts'

let store: TestDatabase
let runtime: TestRuntime
const opened: Bus[] = []

beforeAll(async () => {
  store = await testBusDatabase()
})
beforeEach(() => {
  runtime = testRuntime()
})
afterEach(async () => {
  runtime.faults.clear()
  await Promise.all(opened.splice(0).map((bus) => bus.close()))
  await store.sql('TRUNCATE subscriptions, deliveries, events')
})
afterAll(() => store.close())

const connect = (url = store.urlAs('auth'), of: TestRuntime = runtime): Bus => {
  const bus = createPostgresBus({ url, runtime: of, retry: { tries: 2, delaysMs: [20] } })
  opened.push(bus)
  return bus
}
const eventOf = (subject: string, data: unknown): Envelope => ({
  specversion: '1.0',
  id: runtime.newId(),
  source: '/ashlar/default/test',
  type: 'thing.happened.v1',
  subject,
  time: new Date().toISOString(),
  datacontenttype: 'application/json',
  dataschema: 'urn:ashlar:event:thing.happened.v1',
  data,
  correlationid: 'r',
  traceparent: newTraceparent(),
})
const asRole = async <R>(role: 'auth' | 'payments', text: string): Promise<R[]> => {
  const session = await Session.open({ url: store.urlAs(role), applicationName: 'test', dependency: 'bus' })
  try {
    return await session.query<R>(text)
  } finally {
    await session.close()
  }
}

test('six tries within about a minute, spread so that they do not come together', () => {
  const total = (random: number) =>
    [1, 2, 3, 4, 5].reduce((sum, attempts) => sum + (delayAfter(DEFAULT_RETRY, attempts, () => random) ?? 0), 0)
  expect(total(0.5)).toBe(58_000)
  expect(total(0)).toBeGreaterThan(40_000)
  expect(total(0.999)).toBeLessThan(75_000)
  expect(delayAfter(DEFAULT_RETRY, 6, () => 0)).toBeUndefined()
})

test('an append that is still open hides no position: a reader never sees a later one before it', async () => {
  const bus = connect()
  const seen: unknown[] = []
  await bus.subscribe({ name: 'r', types: ['thing.happened.v1'], handle: async (event) => void seen.push(event.data) })
  const slow = await Session.open({ url: store.adminUrl, applicationName: 'test', dependency: 'bus' })
  const first = eventOf('a', 'first')
  await slow.query('BEGIN')
  await slow.query(`SELECT bus_append(ARRAY[$1]::uuid[], ARRAY[$2], ARRAY['a'], ARRAY[$3])`, [
    first.id,
    first.type,
    JSON.stringify(first),
  ])
  const second = bus.publish([eventOf('b', 'second')])
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(seen).toEqual([])
  await slow.query('COMMIT')
  await slow.close()
  await second
  await eventually(() => expect(seen.toSorted()).toEqual(['first', 'second']))
  expect(await store.sql('SELECT key FROM events ORDER BY position')).toEqual([{ key: 'a' }, { key: 'b' }])
})

test('a publish wakes readers of this process at once, and those of others without a poll', async () => {
  const [here, there] = [connect(), connect(store.urlAs('auth'), testRuntime())]
  const at = new Map<string, number>()
  for (const [name, bus] of [
    ['here', here],
    ['there', there],
  ] as const) {
    await bus.subscribe({
      name,
      types: ['thing.happened.v1'],
      handle: async (event) => void at.set(`${name} ${event.data}`, performance.now()),
    })
  }
  await here.publish([eventOf('a', 0)])
  await eventually(() => at.size === 2)
  const delays: number[] = []
  for (let index = 1; index <= 10; index += 1) {
    // Right after a poll, so that the next one is far.
    const started = performance.now()
    await here.publish([eventOf('a', index)])
    await eventually(() => at.size === 2 * (index + 1))
    delays.push((at.get(`there ${index}`) ?? 0) - started)
  }
  expect(delays.toSorted((a, b) => a - b)[5]).toBeLessThan(200)
})

test('a role may append and has subscriptions of its own; it sees no other and cannot touch the log', async () => {
  const auth = connect(store.urlAs('auth'))
  await auth.subscribe({
    name: 'auth-reader',
    types: ['thing.happened.v1'],
    handle: () => Promise.reject(new Error('no')),
  })
  await connect(store.urlAs('payments')).publish([eventOf('a', 1)])
  await eventually(async () => (await auth.deadLetters.list()).length === 1)

  const payments = connect(store.urlAs('payments'))
  expect(await payments.deadLetters.list()).toEqual([])
  expect(await payments.deadLetters.redrive('all')).toBe(0)
  expect(await asRole('payments', 'SELECT name FROM subscriptions')).toEqual([])
  await expect(
    payments.subscribe({ name: 'auth-reader', types: ['x.y.v1'], handle: async () => undefined }),
  ).rejects.toThrow('row-level security')
  for (const text of [
    'DELETE FROM events',
    `UPDATE events SET envelope = '{}'`,
    'UPDATE topics SET position = 0',
    `INSERT INTO events (position, event_id, type, key, envelope) VALUES (1000, gen_random_uuid(), 'a', 'b', '{}')`,
  ]) {
    await expect(asRole('payments', text)).rejects.toThrow('permission denied')
  }
  const operator = connect(store.url)
  expect(await operator.deadLetters.list()).toHaveLength(1)
})

test('what a crash interrupted between two steps is finished by the next reader, in order', async () => {
  for (const point of ['bus.handled', 'bus.fail.before', 'bus.fail.after', 'bus.settle.before']) {
    const bus = connect()
    const name = `crash-${point}`
    const seen: number[] = []
    let broken = true
    await bus.subscribe({
      name,
      types: ['thing.happened.v1'],
      handle: async (event) => {
        if (event.subject !== name) return
        if (event.data === 2 && broken) {
          broken = false
          throw new Error('once')
        }
        seen.push(event.data as number)
      },
    })
    runtime.faults.throwAt(point, { times: 1 })
    await bus.publish([1, 2, 3, 4, 5].map((data) => eventOf(name, data)))
    await eventually(() => expect([...new Set(seen)]).toEqual([1, 2, 3, 4, 5]))
    await eventually(async () =>
      expect(await store.sql('SELECT 1 FROM deliveries WHERE subscription = $1', [name])).toEqual([]),
    )
    expect(runtime.faults.hits(point)).toBeGreaterThan(0)
  }
})

test('a repeat of an event whose key was held up meanwhile does not get stuck at the head of the queue', async () => {
  const bus = connect()
  const seen: unknown[] = []
  let broken = true
  const handle = async (event: Envelope) => {
    if (event.data === 'bad' && broken) throw new Error('no')
    seen.push(event.data)
  }
  const first = await bus.subscribe({ name: 'r', types: ['thing.happened.v1'], handle })
  await bus.publish([eventOf('a', 1), eventOf('a', 'bad'), eventOf('a', 3)])
  await eventually(async () => (await bus.deadLetters.list())[0]?.waiting === 1)
  await first.stop()
  // As after a crash before the position was saved: everything is read again.
  await store.sql(`UPDATE subscriptions SET position = 0 WHERE name = 'r'`)
  await bus.subscribe({ name: 'r', types: ['thing.happened.v1'], handle })
  await eventually(async () => {
    const [row] = await store.sql<{ done: boolean }>(
      `SELECT s.position = t.position AS done FROM subscriptions s, topics t WHERE s.name = 'r'`,
    )
    return row?.done ?? false
  })
  broken = false
  await bus.deadLetters.redrive('all')
  await eventually(() => expect(seen).toEqual([1, 'bad', 3]))
  expect(await store.sql('SELECT 1 FROM deliveries')).toEqual([])
})

test('a discarded event does not come again when the log is read again', async () => {
  const bus = connect()
  const tried: unknown[] = []
  const handle = async (event: Envelope) => {
    tried.push(event.data)
    if (event.data === 'bad') throw new Error('no')
  }
  const first = await bus.subscribe({ name: 'r', types: ['thing.happened.v1'], handle })
  await bus.publish([eventOf('a', 'bad')])
  const [letter] = await eventually(async () => {
    const letters = await bus.deadLetters.list()
    expect(letters).toHaveLength(1)
    return letters
  })
  await runtime.as(() => bus.deadLetters.discard(letter?.id ?? '', 'test'))
  await first.stop()
  await store.sql(`UPDATE subscriptions SET position = 0 WHERE name = 'r'`)
  tried.length = 0
  await bus.subscribe({ name: 'r', types: ['thing.happened.v1'], handle })
  await bus.publish([eventOf('a', 'next')])
  await eventually(() => tried.length > 0)
  expect(tried).toEqual(['next'])
})

test('pruning removes what is old and done by all, and nothing that somebody still needs', async () => {
  const bus = connect()
  await bus.publish([eventOf('a', 1), eventOf('a', 2)])
  await store.sql(`UPDATE events SET appended_at = now() - interval '8 days'`)
  await store.sql(`INSERT INTO subscriptions (name, role, types, position)
    SELECT 'slow', 'ashlar_auth', '{}', min(position) FROM events`)
  await store.sql(`INSERT INTO subscriptions (name, role, types, position)
    SELECT 'quick', 'ashlar_payments', '{}', max(position) FROM events`)
  await bus.publish([eventOf('a', 3)])
  expect(await pruneBus({ url: store.url })).toBe(1)
  expect(await store.sql(`SELECT envelope ->> 'data' AS data FROM events ORDER BY position`)).toEqual([
    { data: '2' },
    { data: '3' },
  ])
})

test('pruning goes through the log in small steps, and without a reader it touches nothing', async () => {
  const bus = connect()
  const old = () => store.sql(`UPDATE events SET appended_at = now() - interval '8 days'`)
  await bus.publish(Array.from({ length: 25 }, (_event, n) => eventOf('a', n)))
  await old()
  expect(await pruneBus({ url: store.url, batch: 10 })).toBe(0)
  await store.sql(`INSERT INTO subscriptions (name, role, types, position)
    SELECT 'quick', 'ashlar_auth', '{}', max(position) FROM events`)
  expect(await pruneBus({ url: store.url, batch: 10 })).toBe(25)
  expect(await store.sql('SELECT 1 FROM events')).toEqual([])
})

test('retention prunes when it starts and again and again, and outlives an outage', async () => {
  const bus = connect()
  const left = async () => (await store.sql('SELECT 1 FROM events')).length
  await store.sql(`INSERT INTO subscriptions (name, role, types, position) VALUES ('r', 'ashlar_auth', '{}', 1000)`)
  const publishOld = async () => {
    await bus.publish([eventOf('a', 1)])
    await store.sql(`UPDATE events SET appended_at = now() - interval '3 days'`)
  }
  await publishOld()
  const retention = createBusRetention({ url: store.url, runtime, everyMs: 20, keepDays: 2 })
  retention.start()
  await eventually(async () => (await left()) === 0)
  const back = await store.outage()
  await eventually(() => runtime.logs.some(({ message }) => message.startsWith('old events could not be removed')))
  await back()
  await publishOld()
  await eventually(async () => (await left()) === 0)
  await retention.stop()
  await publishOld()
  expect(await left()).toBe(1)
  expect(await runtime.metrics('bus').registry.metrics()).toMatch(/bus_pruned_total\{[^}]*\} 2/)
})

test('what operators look at is counted', async () => {
  const bus = connect()
  await bus.subscribe({ name: 'r', types: ['thing.happened.v1'], handle: () => Promise.reject(new Error('no')) })
  await bus.publish([eventOf('a', 1)])
  await eventually(async () => {
    const text = await runtime.metrics('bus').registry.metrics()
    expect(text).toMatch(/bus_messages_total\{[^}]*outcome="published"[^}]*\} 1/)
    expect(text).toMatch(/bus_messages_total\{[^}]*outcome="dead"[^}]*\} 1/)
    expect(text).toMatch(/bus_dead_letters\{[^}]*\} 1/)
    expect(text).toMatch(/bus_consumer_lag\{[^}]*\} 0/)
  })
})
