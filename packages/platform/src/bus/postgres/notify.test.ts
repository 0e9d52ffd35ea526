import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Envelope, toEnvelope } from '../../events/index.ts'
import { eventually, type TestDatabase, testBusDatabase, testRuntime } from '../../testing/index.ts'
import { createBusHub } from './hub.ts'
import { createListener, createNotifier } from './notify.ts'
import { createPostgresBus } from './postgres-bus.ts'

let store: TestDatabase
const runtime = testRuntime()

beforeAll(async () => {
  store = await testBusDatabase()
})
afterAll(() => store.close())

const event = (type = 'a.b.v1'): Envelope =>
  runtime.as(() => toEnvelope(runtime, 'auth', { type, subject: runtime.newId(), data: {} }))
const open = (hub = createBusHub()) => createPostgresBus({ url: store.urlAs('auth'), runtime, pollMs: 60_000, hub })
const woken = (...types: string[]) => {
  const member = {
    types,
    times: 0,
    wake: () => {
      member.times += 1
    },
  }
  return member
}

test('a hub wakes whoever reads one of the types, without types everybody, and nobody who has left', () => {
  const hub = createBusHub()
  const [a, b] = [woken('a.v1'), woken('b.v1', 'c.v1')]
  const leave = hub.join(a)
  hub.join(b)
  hub.wake(new Set(['c.v1', 'x.v1']))
  hub.wake()
  leave()
  hub.wake()
  expect([a.times, b.times]).toEqual([1, 3])
})

test('the first thing is told at once, what comes meanwhile in one go, and a failure ends nothing', async () => {
  const hub = createBusHub()
  const sent: string[] = []
  const notifier = createNotifier(hub, async (_channel, payload) => {
    sent.push(payload.replace(hub.id, 'me'))
    if (sent.length === 1) throw new Error('away')
  })
  notifier.tell(new Set(['a.v1']))
  expect(sent).toEqual(['me a.v1'])
  for (const type of ['b.v1', 'c.v1', 'b.v1']) notifier.tell(new Set([type]))
  await eventually(() => expect(sent).toEqual(['me a.v1', 'me b.v1 c.v1']))
  notifier.tell(new Set(Array.from({ length: 500 }, (_, at) => `a-long-type-of-event-${at}.v1`)))
  notifier.tell(undefined)
  await notifier.close()
  expect(sent.at(-1)).toBe('me')
})

test('a listener wakes by what others tell, not by what its own process does, and everybody when it begins', async () => {
  const hub = createBusHub()
  const member = woken('a.v1')
  hub.join(member)
  let hear: ((payload: string) => void) | undefined
  const lost = Promise.withResolvers<void>()
  const session = { query: async () => [], lost: lost.promise, close: async () => undefined }
  const listener = createListener(hub, async (onNotification) => {
    hear = onNotification
    return session as never
  })
  await eventually(() => expect(member.times).toBe(1))
  for (const payload of [`${hub.id} a.v1`, 'other b.v1', 'other a.v1', 'other', 'other b.v1 *']) hear?.(payload)
  expect(member.times).toBe(4)
  await listener.close()
})

test('readers of another process hear of an event at once, also after their connections were cut', async () => {
  const [here, there] = [open(), open()]
  const handled: string[] = []
  await there.subscribe({ name: 'there', types: ['a.b.v1'], handle: async ({ id }) => void handled.push(id) })
  const arrives = async (): Promise<void> => {
    const published = event()
    await here.publish([published])
    await eventually(() => expect(handled).toContain(published.id), 5_000)
  }
  await arrives()
  await store.cutConnections()
  await arrives()
  await Promise.all([here.close(), there.close()])
})

test('buses that share a hub reach each other although nothing is told by the database', async () => {
  const hub = createBusHub()
  const [here, there] = [open(hub), open(hub)]
  const handled: string[] = []
  await there.subscribe({ name: 'shared', types: ['a.b.v1'], handle: async ({ id }) => void handled.push(id) })
  const first = event()
  await here.publish([first])
  await eventually(() => expect(handled).toContain(first.id), 5_000)
  const second = event()
  const began = performance.now()
  await here.publish([second])
  await eventually(() => expect(handled).toContain(second.id))
  expect(performance.now() - began).toBeLessThan(1_000)
  await Promise.all([here.close(), there.close()])
})
