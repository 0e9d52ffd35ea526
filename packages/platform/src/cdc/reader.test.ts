import { setTimeout as sleep } from 'node:timers/promises'
import { eventually, type TestDatabase, testDatabase } from '@ashlar/platform/testing'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openSession, ReplicationConnection } from './connection.ts'
import { peekChanges } from './peek.ts'
import { type ChangeReader, createChangeReader, type ReaderOptions } from './reader.ts'
import type { Change, ChangeOwner, Gap, Position } from './types.ts'

const SET = { service: 'payments', folder: new URL('./fixture/', import.meta.url) } as const
const PUBLICATION = 'ashlar_audit'

let source: TestDatabase
let slot: string
let readers: ChangeReader[]
let owner: ChangeOwner & { changes: Change[]; gaps: Gap[]; at: Position | undefined; away: boolean; largest: number }

beforeEach(async () => {
  source = await testDatabase('payments', SET)
  slot = `r_${source.name.slice(-12)}`
  readers = []
  owner = memoryOwner()
})
afterEach(async () => {
  await Promise.all(readers.map((reader) => reader.stop()))
  await eventually(async () => {
    await source.sql('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = $1', [
      source.name,
    ])
  })
  await source.close()
})

/** Keeps what it is given, once per id, and refuses while it is away. */
const memoryOwner = (): typeof owner => {
  const known = new Set<string>()
  const own = {
    changes: [] as Change[],
    gaps: [] as Gap[],
    at: undefined as Position | undefined,
    away: false,
    largest: 0,
    position: async () => own.at,
    async store(changes: readonly Change[], position: Position | undefined) {
      if (own.away) throw new Error('The store is away')
      own.largest = Math.max(own.largest, changes.length)
      for (const change of changes) {
        if (known.has(change.id)) continue
        known.add(change.id)
        own.changes.push(change)
      }
      if (position) own.at = position
    },
    async gap(gap: Gap, position: Position) {
      own.gaps.push(gap)
      own.at = position
    },
  }
  return own
}

const read = async (more: Partial<ReaderOptions> = {}): Promise<ChangeReader> => {
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const options = { url: source.changesUrl, slot, publication: PUBLICATION, owner, log }
  const reader = createChangeReader({
    ...options,
    statusMs: 100,
    idleMs: 100,
    retryMinMs: 20,
    retryMaxMs: 100,
    ...more,
  })
  readers.push(reader)
  reader.start()
  await reader.ready()
  return reader
}

const expectChanges = (count: number) => eventually(() => expect(owner.changes).toHaveLength(count), 20_000)
const killSender = () =>
  source.sql('SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active', [
    slot,
  ])

test('hands over rows with values in canonical form, and with the context of direct SQL', async () => {
  await read()
  await source.sql(`INSERT INTO things VALUES (1, 'a', 12.50, '2026-01-02 03:04:05.678901+02', '{"b":1,"a":[12345678901234567890,2]}',
    ARRAY['x', NULL], true, '\\x00ff')`)
  await expectChanges(1)
  expect(owner.changes[0]).toMatchObject({
    operation: 'insert',
    key: [1],
    before: null,
    after: {
      id: 1,
      name: 'a',
      price: '12.50',
      at: '2026-01-02T01:04:05.678901Z',
      data: { b: 1, a: [{ $number: '12345678901234567890' }, 2] },
      tags: ['x', null],
      flag: true,
      raw: '\\x00ff',
    },
    context: { actor: { type: 'database', id: 'ashlar' } },
    table: { name: 'things', entity: 'thing' },
  })
})

test('a key change, a truncate and a classified column come out as they are', async () => {
  await read()
  await source.sql(`INSERT INTO things (id, name) VALUES (1, 'a')`)
  await source.sql('UPDATE things SET id = 2')
  await source.sql(`INSERT INTO hidden VALUES (1, 'secret')`)
  await source.sql(`UPDATE hidden SET secret = 'other', changed = changed + 1`)
  await source.sql('DELETE FROM hidden')
  await source.sql('TRUNCATE things')
  await expectChanges(6)
  const [, update, insert, changed, removed, truncate] = owner.changes
  expect(update).toMatchObject({
    operation: 'update',
    key: [2],
    before: { id: 1, name: 'a' },
    after: { id: 2, name: 'a' },
  })
  expect(insert?.after).toEqual({ id: 1, changed: 0 })
  expect(changed).toMatchObject({ before: null, after: { id: 1, changed: 1 } })
  expect(removed).toMatchObject({ operation: 'delete', before: { id: 1 }, after: null })
  expect(truncate).toMatchObject({ operation: 'truncate', key: [], before: null, after: null })
  expect(JSON.stringify(owner.changes)).not.toContain('secret')
})

test('long values that an update leaves alone are still there', async () => {
  await read()
  await source.sql(
    `INSERT INTO things (id, name) SELECT 1, string_agg(md5(i::text), '') FROM generate_series(1, 2000) i`,
  )
  await source.sql('UPDATE things SET flag = true')
  await expectChanges(2)
  expect(String(owner.changes[1]?.after?.name)).toHaveLength(64_000)
})

test('rows of one statement that share a position are told apart by their keys', async () => {
  await read()
  const client = new pg.Client({ connectionString: source.adminUrl })
  await client.connect()
  await client.query(`COPY things (id, name) FROM PROGRAM 'seq 1 300 | sed "s/$/,x/"' WITH (FORMAT csv)`)
  await client.end()
  await expectChanges(300)
  expect(new Set(owner.changes.map(({ lsn }) => lsn)).size).toBeLessThan(300)
  expect(new Set(owner.changes.map(({ id }) => id)).size).toBe(300)
})

test('what an independent slot holds is what was handed over, id by id, also when the sender is killed', async () => {
  await read({ batchRows: 50 })
  await source.sql(`SELECT pg_create_logical_replication_slot('w_' || $1, 'pgoutput')`, [slot])
  for (let round = 0; round < 12; round += 1) {
    await source.sql(`INSERT INTO things (id, name) SELECT i, 'x' FROM generate_series($1::int, $1::int + 99) i`, [
      round * 100,
    ])
    await source.sql(`UPDATE things SET name = 'y' WHERE id % 100 = $1`, [round])
    if (round % 3 === 0) await killSender()
  }
  // The log is written in the background here: only what the reader has seen is surely there for the other slot.
  await expectChanges(1278)
  const client = await openSession(source.adminUrl, 'witness')
  const connection = await ReplicationConnection.open(source.changesUrl, 'epoch')
  const epoch = await connection.epoch()
  await connection.close()
  const witnessed = await peekChanges(client, { slot: `w_${slot}`, publication: PUBLICATION, epoch })
  await client.end()
  expect(owner.changes.map(({ id }) => id)).toEqual(witnessed.map(({ id }) => id))
})

test('a cut in the middle of a transaction brings it again as a whole, and nothing twice', async () => {
  await read({ batchRows: 100 })
  const store = owner.store
  let calls = 0
  owner.store = async (changes, position) => {
    await store(changes, position)
    calls += 1
    if (calls === 5) await killSender()
  }
  await source.sql(`INSERT INTO things (id, name) SELECT i, 'x' FROM generate_series(1, 3000) i`)
  await expectChanges(3000)
  expect(owner.changes.map(({ after }) => after?.id)).toEqual(Array.from({ length: 3000 }, (_, i) => i + 1))
})

test('a large transaction passes in bounded memory, with the socket held back while the store is slow', async () => {
  const reader = await read({ highWaterBytes: 1024 * 1024 })
  const store = owner.store
  let most = 0
  owner.store = async (changes, position) => {
    most = Math.max(most, reader.status().queuedBytes)
    await store(changes, position)
    // Counted, not kept: what is measured here is the reader.
    owner.changes = owner.changes.slice(-1)
    await sleep(5)
  }
  await source.sql(`INSERT INTO things (id, name) SELECT i, repeat('x', 100) FROM generate_series(1, 200000) i`)
  await eventually(() => expect(owner.changes[0]?.after?.id).toBe(200_000), 60_000)
  expect(owner.largest).toBeLessThanOrEqual(1000)
  expect(most).toBeGreaterThan(512 * 1024)
  expect(most).toBeLessThan(3 * 1024 * 1024)
}, 90_000)

test('nothing is acknowledged before it is stored; a store that comes back gets everything', async () => {
  const reader = await read()
  await source.sql(`INSERT INTO things (id, name) VALUES (1, 'a')`)
  await expectChanges(1)
  owner.away = true
  await source.sql(`INSERT INTO things (id, name) SELECT i, 'x' FROM generate_series(2, 2000) i`)
  await eventually(() => expect(reader.status().error).toBe('The store is away'))
  await sleep(400)
  const [kept] = await source.sql<{ behind: boolean }>(
    'SELECT confirmed_flush_lsn <= $2::pg_lsn AS behind FROM pg_replication_slots WHERE slot_name = $1',
    [slot, owner.at?.lsn],
  )
  expect(kept?.behind).toBe(true)
  expect(reader.status().lagSeconds).toBeGreaterThan(0)
  owner.away = false
  await expectChanges(2000)
  await eventually(() => expect(reader.status()).toMatchObject({ lagSeconds: 0, error: undefined }))
})

test('idle log is given back, but only as far as the owner has stored', async () => {
  await read()
  const before = owner.at as Position
  await source.sql(`INSERT INTO scratch SELECT generate_series(1, 5000)`)
  await eventually(async () => {
    const [row] = await source.sql<{ done: boolean }>(
      `SELECT confirmed_flush_lsn > $2::pg_lsn AND confirmed_flush_lsn <= $3::pg_lsn AS done
         FROM pg_replication_slots WHERE slot_name = $1`,
      [slot, before.lsn, owner.at?.lsn],
    )
    expect(row?.done).toBe(true)
  })
  expect(owner.changes).toHaveLength(0)
})

test('rows that were there before the slot come as a snapshot, at most once', async () => {
  await source.sql(`INSERT INTO things (id, name) SELECT i, 'x' FROM generate_series(1, 1200) i`)
  const first = await read()
  await expectChanges(1200)
  expect(owner.changes[0]).toMatchObject({ operation: 'snapshot', txid: null, key: [1], after: { id: 1, price: null } })
  await first.stop()
  owner.at = owner.at && { ...owner.at, phase: 'snapshot' }
  await read()
  await source.sql(`INSERT INTO things (id, name) VALUES (9999, 'later')`)
  await expectChanges(1201)
  expect(owner.gaps).toEqual([])
})

test.each([
  ['dropped', 'slot_missing', async () => {}],
  [
    'dropped and made again by hand',
    'slot_advanced',
    async () => {
      await source.sql(`INSERT INTO things (id, name) VALUES (2, 'lost')`)
      await source.sql(`SELECT pg_create_logical_replication_slot($1, 'pgoutput')`, [slot])
    },
  ],
])('a slot that was %s is a gap, and a new snapshot follows', async (_, reason, then) => {
  const reader = await read()
  await source.sql(`INSERT INTO things (id, name) VALUES (1, 'a')`)
  await expectChanges(1)
  const stored = owner.at
  await reader.stop()
  await eventually(() => source.sql('SELECT pg_drop_replication_slot($1)', [slot]))
  await then()
  await read()
  expect(owner.gaps).toMatchObject([{ reason, from: stored?.lsn }])
  expect(owner.changes.at(-1)).toMatchObject({ operation: 'snapshot' })
  await source.sql(`INSERT INTO things (id, name) VALUES (3, 'b')`)
  await eventually(() => expect(owner.changes.at(-1)).toMatchObject({ operation: 'insert', key: [3] }))
})

test('positions of another epoch are not trusted', async () => {
  const reader = await read()
  await reader.stop()
  owner.at = owner.at && { ...owner.at, epoch: '1/1' }
  await read()
  expect(owner.gaps).toMatchObject([{ reason: 'epoch_changed', previousEpoch: '1/1' }])
})

test('stopping does not wait for a slot that waits for a transaction of somebody else', async () => {
  const blocker = new pg.Client({ connectionString: source.adminUrl })
  await blocker.connect()
  await blocker.query('BEGIN')
  await blocker.query('SELECT pg_current_xact_id()')
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const reader = createChangeReader({ url: source.changesUrl, slot, publication: PUBLICATION, owner, log })
  reader.start()
  await eventually(async () => {
    const rows = await source.sql('SELECT 1 FROM pg_replication_slots WHERE slot_name = $1', [slot])
    expect(rows).toHaveLength(1)
  })
  await reader.stop()
  expect(reader.status().state).toBe('stopped')
  await blocker.end()
})
