import { setTimeout as sleep } from 'node:timers/promises'
import { Session } from '@ashlar/platform/postgres'
import { eventually } from '@ashlar/platform/testing'
import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { allEntries, type Capture, type Harness, harness } from '../../test/harness.ts'
import type { Entry } from '../domain/entry.ts'
import { readEntries } from './queries/read-entries.ts'

const ANNA = '0193a3f0-0000-7000-8000-000000000001'

let at: Harness
let capture: Capture
let before: number

beforeAll(async () => {
  at = await harness()
})
afterAll(() => at.close())

beforeEach(async () => {
  capture = await at.start()
  before = (await allEntries(at)).length
})
afterEach(() => capture.stop())

const asAnna = (statement: ReturnType<typeof sql>) =>
  at.runtime.as(
    () => at.sourceUow((tx) => statement.execute(tx.db)),
    { type: 'user', id: ANNA },
    { requestId: 'r-1', ip: '192.0.2.1', userAgent: 'browser', reason: 'asked' },
  )

const newEntries = (count: number): Promise<Entry[]> =>
  eventually(async () => {
    const entries = (await allEntries(at)).slice(before)
    expect(entries).toHaveLength(count)
    return entries
  })

const valid = async () => expect(await at.verify()).toMatchObject({ valid: true, firstBad: null })

const newest = async (limit: number) => {
  const page = { filter: {}, order: 'newest' as const, after: undefined, limit }
  return (await readEntries(at.trail)(page)).entries
}

test('a change of a service tells who, in which request, and keeps personal values apart', async () => {
  await asAnna(sql`INSERT INTO people (id, email, name) VALUES (${ANNA}, 'anna@example.com', 'Anna')`)
  const [entry] = await newEntries(1)
  expect(entry).toMatchObject({
    entity: 'user',
    entityId: ANNA,
    action: 'insert',
    before: null,
    source: { table: 'people' },
  })
  expect(entry).toMatchObject({ actor: { type: 'user', id: ANNA }, context: { requestId: 'r-1', reason: 'asked' } })
  for (const hidden of ['anna@example.com', 'Anna', '192.0.2.1', 'browser']) {
    expect(JSON.stringify(await allEntries(at))).not.toContain(hidden)
  }
  const [shown] = await newest(1)
  expect(shown).toMatchObject({ after: { email: 'anna@example.com', name: 'Anna' }, context: { ip: '192.0.2.1' } })
  await valid()
})

test('an update names the fields that differ', async () => {
  await asAnna(sql`UPDATE people SET name = 'Anne', seen_at = now() WHERE id = ${ANNA}`)
  const [entry] = await newEntries(1)
  expect(entry?.changed).toEqual(['name', 'seen_at'])
})

test('direct SQL shows the role that did it, and database:unknown where even the trigger was off', async () => {
  await at.source.sql(`UPDATE people SET note = '1' WHERE id = $1`, [ANNA])
  await at.source.sql('ALTER TABLE people DISABLE TRIGGER ashlar_attribution')
  await at.source.sql(`UPDATE people SET note = '2' WHERE id = $1`, [ANNA])
  await at.source.sql('ALTER TABLE people ENABLE ALWAYS TRIGGER ashlar_attribution')
  const entries = await newEntries(2)
  expect(entries.map(({ actor }) => actor)).toEqual([
    { type: 'database', id: 'ashlar' },
    { type: 'database', id: 'unknown' },
  ])
})

test('secrets of a classified table never enter', async () => {
  await asAnna(sql`INSERT INTO secrets (person_id, password_hash) VALUES (${ANNA}, 'top-secret')`)
  await asAnna(sql`UPDATE secrets SET password_hash = 'top-secret-2', changed_at = now()`)
  const entries = await newEntries(2)
  expect(Object.keys(entries[0]?.after ?? {})).toEqual(['changed_at', 'person_id'])
  expect(entries[1]?.changed).toEqual(['changed_at'])
  expect(JSON.stringify(entries)).not.toContain('top-secret')
})

test('what PostgreSQL cannot hold in its own text does not stop the trail', async () => {
  const nasty = '{"nul":"a\\u0000b","lone":"\\ud800","$commitment":"planted","big":12345678901234567890}'
  await at.source.sql('UPDATE people SET note = $2::json WHERE id = $1', [ANNA, nasty])
  await at.runtime.as(
    () => at.sourceUow((tx) => sql`INSERT INTO lines VALUES (${'k'.repeat(2500)}, 1, 9007199254740993)`.execute(tx.db)),
    { type: 'user', id: `x\0y${'z'.repeat(4000)}` },
    { requestId: 'r'.repeat(5000), reason: 'a\0b\ud800' },
  )
  const [odd, long] = await newEntries(2)
  expect(long).toMatchObject({ context: { reason: 'a\\u0000b\\uD800' }, after: { amount: '9007199254740993' } })
  expect(odd?.after?.note).toEqual({
    $literal: { nul: 'a\0b', lone: '\ud800', $commitment: 'planted', big: { $number: '12345678901234567890' } },
  })
  const [, shown] = await newest(2)
  expect(shown?.after?.note).toMatchObject({ $commitment: 'planted' })
  await valid()
})

test('an erased person is gone from what is shown, and the chain still verifies', async () => {
  await at.erase(ANNA, capture.events)
  await asAnna(sql`UPDATE people SET email = 'other@example.com' WHERE id = ${ANNA}`)
  await newEntries(1)
  const shown = (await newest(2)).find(({ chain }) => chain === 'payments')
  expect(shown).toMatchObject({ after: { email: null, name: null }, context: { ip: null }, changed: ['email'] })
  await valid()
})

test('a personal value that was exchanged or taken away is named', async () => {
  const other = '0193a3f0-0000-7000-8000-000000000002'
  await asAnna(sql`INSERT INTO people (id, email) VALUES (${other}, 'b@example.com')`)
  const [entry] = await newEntries(1)
  await at.audit.sql('DELETE FROM sealed_fields WHERE entry_id = $1 AND person = $2', [entry?.id, other])
  expect((await at.verify()).firstBad).toEqual({
    chain: 'payments',
    sequence: entry?.sequence,
    reason: 'personal_value_altered',
  })
  await at.audit.sql(`INSERT INTO sealed_fields SELECT $1, $2, sealed FROM sealed_fields LIMIT 1`, [entry?.id, other])
  expect((await at.verify()).firstBad?.reason).toBe('personal_value_altered')
  // Put right for the tests that follow: an erased person has no values that could be altered.
  await at.erase(other, capture.events)
  await valid()
})

test('with the store away the reader waits, and what was missed is there afterwards, once', async () => {
  const back = await at.audit.outage()
  await asAnna(sql`INSERT INTO lines SELECT 'outage', i, i FROM generate_series(1, 2500) i`)
  await sleep(300)
  await back()
  const entries = await newEntries(2500)
  expect(entries.map(({ after }) => after?.number)).toEqual(Array.from({ length: 2500 }, (_, i) => i + 1))
  await valid()
})

test('what comes again after a cut in the middle of a transaction is not stored again', async () => {
  await capture.stop()
  capture = await at.start({ batchRows: 100 })
  await asAnna(sql`INSERT INTO lines SELECT 'cut', i, i FROM generate_series(1, 3000) i`)
  for (const stored of [300, 900, 1500]) {
    await eventually(async () => expect((await allEntries(at)).length - before).toBeGreaterThan(stored))
    await at.source.sql(
      'SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1 AND active',
      [at.slot],
    )
  }
  const entries = await newEntries(3000)
  expect(entries.map(({ after }) => after?.number)).toEqual(Array.from({ length: 3000 }, (_, i) => i + 1))
  await valid()
})

test('a dropped slot gives a signed gap, an alarm and not-ready, then a new snapshot', async () => {
  const metric = async (name: string) =>
    (await at.runtime.metrics('audit').registry.getSingleMetric(name)?.get())?.values[0]?.value
  const gapsBefore = Number(await metric('audit_gaps_total'))
  await eventually(async () => {
    await at.source.sql('SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1', [
      at.slot,
    ])
    await at.source.sql('SELECT pg_drop_replication_slot($1)', [at.slot])
  })
  await eventually(() => expect(capture.unready()).toMatch(/payments are not being read/))
  await eventually(() => expect(capture.unready()).toBeUndefined())
  const entries = (await allEntries(at)).slice(before)
  expect(entries[0]).toMatchObject({ action: 'gap', entity: 'trail', after: { reason: 'slot_missing' } })
  expect(entries.slice(1).every(({ action }) => action === 'snapshot')).toBe(true)
  expect(entries.length).toBeGreaterThan(2500)
  expect(Number(await metric('audit_gaps_total'))).toBe(gapsBefore + 1)
  await valid()
  await asAnna(sql`INSERT INTO lines VALUES ('after', 1, 1)`)
  await newEntries(entries.length + 1)
})

test('the role of the service may add entries, never change or remove them', async () => {
  const as = async (statement: string) => {
    const session = await Session.open({ url: at.audit.url, applicationName: 'test', dependency: 'postgres' })
    try {
      return await session.query(statement)
    } finally {
      await session.close()
    }
  }
  for (const table of ['entries', 'sealed_fields', 'checkpoints']) {
    await expect(as(`DELETE FROM ${table}`)).rejects.toThrow('permission denied')
    await expect(as(`TRUNCATE ${table}`)).rejects.toThrow('permission denied')
  }
  await expect(as(`UPDATE entries SET action = 'gap'`)).rejects.toThrow('permission denied')
})
