import { afterEach, expect, test } from 'vitest'
import { createBroadcast } from '../broadcast/index.ts'
import { eventually, testRuntime } from '../testing/index.ts'
import { createRevocationSet, REVOCATIONS_CHANNEL, type Revocation, type RevocationSet } from './revocation-set.ts'

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

/** A set over a store that can be written to, cut off and rewound. */
const open = (options: { pullEveryMs?: number; maxAgeMs?: number } = {}) => {
  const runtime = testRuntime()
  const broadcast = createBroadcast()
  const store = { rows: [] as Revocation[], head: 0, down: false, loads: [] as number[] }
  const revoke = (sessionId: string, kind: Revocation['kind'] = 'revoked', rightsVersion = 0): Revocation => {
    const expiresAt = new Date(runtime.clock.now().getTime() + 900_000)
    const row = { sequence: ++store.head, sessionId, kind, rightsVersion, expiresAt }
    store.rows.push(row)
    return row
  }
  const set: RevocationSet = createRevocationSet({
    load: async (since) => {
      store.loads.push(since)
      if (store.down) throw new Error('the store is down')
      return { rows: store.rows.filter(({ sequence }) => sequence > since), lastSequence: store.head }
    },
    broadcast,
    runtime,
    ...options,
  })
  cleanups.push(
    () => set.stop(),
    () => broadcast.close(),
  )
  return { set, store, revoke, broadcast, runtime }
}

test('it is ready after the snapshot, and knows what was revoked before it', async () => {
  const { set, revoke } = open()
  revoke('old')
  expect(set.ready()).toBe(false)
  await set.start()
  expect(set.ready()).toBe(true)
  expect([set.isRevoked('old'), set.isRevoked('other')]).toEqual([true, false])
})

test('without a snapshot it does not start', async () => {
  const { set, store } = open()
  store.down = true
  await expect(set.start()).rejects.toThrow('the store is down')
  expect(set.ready()).toBe(false)
})

test('what is announced is in force when the announcement resolves', async () => {
  const { set, revoke, broadcast } = open({ pullEveryMs: 60_000 })
  await set.start()
  await broadcast.publish(REVOCATIONS_CHANNEL, [revoke('announced')])
  expect(set.verdict('announced', 1)).toBe('revoked')
})

test('what was announced to nobody is found by the next pull, rows between included', async () => {
  const { set, store, revoke, broadcast } = open({ pullEveryMs: 20 })
  await set.start()
  revoke('lost')
  await broadcast.publish(REVOCATIONS_CHANNEL, [revoke('heard')])
  expect(set.isRevoked('heard')).toBe(true)
  await eventually(() => set.isRevoked('lost'), 1_000)
  await eventually(() => store.loads.at(-1) === 2, 1_000)
})

test('stale is by version of rights, revoked is for good, in any order', async () => {
  const { set, revoke } = open()
  await set.start()
  set.apply([revoke('s', 'stale', 3)])
  set.apply([revoke('s', 'stale', 2)])
  expect([set.verdict('s', 2), set.verdict('s', 3)]).toEqual(['stale', undefined])
  set.apply([revoke('s')])
  set.apply([revoke('s', 'stale', 4)])
  expect(set.verdict('s', 9)).toBe('revoked')
})

test('old knowledge is not answered from: it asks, and throws where nobody answers', async () => {
  const { set, store, revoke } = open({ pullEveryMs: 60_000, maxAgeMs: 30 })
  await set.start()
  await set.refresh()
  expect(store.loads).toHaveLength(1)
  revoke('meanwhile')
  await new Promise((resolve) => setTimeout(resolve, 40))
  await Promise.all([set.refresh(), set.refresh(), set.refresh()])
  expect(store.loads).toHaveLength(2)
  expect(set.isRevoked('meanwhile')).toBe(true)

  store.down = true
  await new Promise((resolve) => setTimeout(resolve, 40))
  await expect(set.refresh()).rejects.toThrow('the store is down')
  store.down = false
  await set.refresh()
})

test('an outage is logged once, and its end', async () => {
  const { set, store, runtime } = open({ pullEveryMs: 5 })
  await set.start()
  store.down = true
  await eventually(() => store.loads.length > 5, 2_000)
  store.down = false
  await eventually(() => runtime.logs.some(({ message }) => message === 'revocations are known again'), 2_000)
  expect(runtime.logs.filter(({ message }) => message === 'revocations cannot be read')).toHaveLength(1)
})

test('a store that was restored to an earlier state is read from the start', async () => {
  const { set, store, revoke } = open({ pullEveryMs: 5 })
  revoke('a')
  revoke('b')
  await set.start()
  store.rows = []
  store.head = 0
  revoke('after the restore')
  await eventually(() => set.isRevoked('after the restore'), 2_000)
})
