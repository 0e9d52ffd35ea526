import { afterEach, expect, test } from 'vitest'
import { createBroadcast } from '../broadcast/index.ts'
import { eventually, testRuntime } from '../testing/index.ts'
import { createRevocationSet, REVOCATIONS_CHANNEL, type Revocation, type RevocationSet } from './revocation-set.ts'

const cleanups: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

/** A set over a store that can be written to, cut off and rewound. */
const open = (options: { pullEveryMs?: number; maxAgeMs?: number; pruneEveryMs?: number } = {}) => {
  const runtime = testRuntime()
  const broadcast = createBroadcast()
  const store = { rows: [] as Revocation[], head: 0, down: false, loads: [] as number[] }
  type About = Revocation extends infer R ? (R extends unknown ? Omit<R, 'sequence' | 'expiresAt'> : never) : never
  const write = (about: About): Revocation => {
    const expiresAt = new Date(runtime.clock.now().getTime() + 900_000)
    const row = { ...about, sequence: ++store.head, expiresAt } as Revocation
    store.rows.push(row)
    return row
  }
  const revoke = (sessionId: string): Revocation => write({ kind: 'revoked', sessionId })
  const outdate = (sessionId: string, rightsVersion: number): Revocation =>
    write({ kind: 'stale', sessionId, rightsVersion })
  const change = (role: string): Revocation => write({ kind: 'role', role })
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
  return { set, store, revoke, outdate, change, broadcast, runtime }
}

const token = (sessionId: string, rightsVersion = 1, roles: string[] = [], rolesVersion = 0) => ({
  sessionId,
  rightsVersion,
  roles,
  rolesVersion,
})

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
  expect(set.verdict(token('announced'))).toBe('revoked')
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
  const { set, revoke, outdate } = open()
  await set.start()
  set.apply([outdate('s', 3)])
  set.apply([outdate('s', 2)])
  expect([set.verdict(token('s', 2)), set.verdict(token('s', 3))]).toEqual(['stale', undefined])
  set.apply([revoke('s')])
  set.apply([outdate('s', 4)])
  expect(set.verdict(token('s', 9))).toBe('revoked')
})

test('a changed role makes every token stale that names it and does not know the change, in any order', async () => {
  const { set, change } = open()
  await set.start()
  const [first, second] = [change('support'), change('support')]
  set.apply([second])
  set.apply([first])
  const verdict = (roles: string[], rolesVersion: number) => set.verdict(token('s', 1, roles, rolesVersion))
  expect(verdict(['user', 'support'], 0)).toBe('stale')
  expect(verdict(['support'], first.sequence)).toBe('stale')
  expect(verdict(['support'], second.sequence)).toBeUndefined()
  expect(verdict(['user'], 0)).toBeUndefined()
})

test('what no living token can know of is forgotten', async () => {
  const { set, change, outdate, runtime } = open({ pullEveryMs: 5, pruneEveryMs: 5 })
  change('support')
  outdate('s', 2)
  await set.start()
  runtime.clock.advance(899_999)
  await new Promise((resolve) => setTimeout(resolve, 40))
  expect([set.verdict(token('s', 1)), set.verdict(token('t', 1, ['support']))]).toEqual(['stale', 'stale'])
  runtime.clock.advance(1)
  await eventually(() => set.verdict(token('s', 1, ['support'])) === undefined, 2_000)
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
