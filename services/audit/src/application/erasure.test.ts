import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '@ashlar/platform/testing'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allEntries, type Capture, type Harness, harness } from '../../test/harness.ts'
import { verifyExport, writeExport } from '../infrastructure/files/export-file.ts'
import { erasePerson, replayErasures } from './commands/erase-person.ts'
import { createPersonKeys } from './person-keys.ts'
import { exportLines } from './queries/export-trail.ts'
import { readEntries } from './queries/read-entries.ts'
import { exportHeader, storedTrail } from './trail.ts'

const person = (number: number) => `0193a3f0-0000-7000-8000-${String(number).padStart(12, '0')}`
const [ANNA, BEN, CARA, DORA] = [1, 2, 3, 4].map(person) as [string, string, string, string]

let at: Harness
let capture: Capture

beforeAll(async () => {
  at = await harness()
  capture = await at.start()
})
afterAll(() => at.close())

const asUser = (id: string, statement: ReturnType<typeof sql>) =>
  at.runtime.as(() => at.sourceUow((tx) => statement.execute(tx.db)), { type: 'user', id }, { ip: '192.0.2.1' })

const signUp = async (id: string, email: string) => {
  await asUser(id, sql`INSERT INTO people (id, email, name) VALUES (${id}, ${email}, 'Name of them')`)
  await stored(id, 1)
}

const stored = (id: string, count: number) =>
  eventually(async () =>
    expect((await allEntries(at)).filter(({ entityId }) => entityId === id).length).toBeGreaterThanOrEqual(count),
  )

const shown = async (entityId: string, persons = at.trail.persons) => {
  const page = { filter: { entityId }, order: 'oldest' as const, after: undefined, limit: 100 }
  return (await readEntries({ store: at.store, persons })(page)).entries
}

const keyRow = async (id: string) =>
  (
    await at.audit.sql<{ wrapped: Buffer | null; erased_at: Date }>('SELECT * FROM person_keys WHERE person = $1', [id])
  )[0]

const exported = async (name: string) => {
  const header = await exportHeader(at.trail, at.signer, { waitMs: 1000, now: Date.now })
  const file = `${at.dataDir}/${name}.ndjson`
  await writeExport(file, exportLines(header, storedTrail(at.trail)))
  return file
}

test('the erased are unreadable everywhere, what happened is still told, and old exports still verify', async () => {
  await signUp(ANNA, 'anna@example.com')
  await asUser(ANNA, sql`UPDATE people SET name = 'Anne' WHERE id = ${ANNA}`)
  await stored(ANNA, 2)
  expect((await shown(ANNA))[1]).toMatchObject({ before: { email: 'anna@example.com' }, context: { ip: '192.0.2.1' } })
  const before = await exported('before')

  await at.erase(ANNA, capture.events)

  const told = await shown(ANNA)
  expect(JSON.stringify(told)).not.toMatch(/anna@example|Anne|Name of them|192\.0\.2\.1/)
  expect(told.map(({ action, changed, actor }) => [action, changed.includes('name'), actor.type])).toEqual([
    ['insert', true, 'user'],
    ['update', true, 'user'],
    ['event', false, 'service'],
  ])
  expect(told[2]).toMatchObject({ source: { table: 'person.erased' }, after: { erased: expect.any(String) } })
  expect(await keyRow(ANNA)).toMatchObject({ wrapped: null, erased_at: expect.any(Date) })
  expect((await at.verify()).valid).toBe(true)
  expect((await verifyExport(before, { publicKey: at.signer.publicKey })).valid).toBe(true)
  expect((await verifyExport(await exported('after'), { publicKey: at.signer.publicKey })).valid).toBe(true)
})

test('what comes after the key is gone, the DELETE of the person included, makes no new key', async () => {
  await asUser(ANNA, sql`DELETE FROM people WHERE id = ${ANNA}`)
  await stored(ANNA, 3)
  const [, , , removed] = await shown(ANNA)
  expect(removed).toMatchObject({ action: 'delete', before: { email: null, name: null, id: ANNA } })
  const [row] = await at.audit.sql<{ count: number }>(
    'SELECT count(*)::int FROM sealed_fields WHERE person = $1 AND entry_id = $2',
    [ANNA, removed?.id],
  )
  expect(row?.count).toBe(0)
  expect((await keyRow(ANNA))?.wrapped).toBeNull()
  expect((await at.verify()).valid).toBe(true)
})

test('somebody of whom the trail knows nothing yet is erased in advance', async () => {
  await at.erase(BEN, capture.events)
  await signUp(BEN, 'ben@example.com')
  expect((await shown(BEN)).find(({ action }) => action === 'insert')?.after).toMatchObject({ email: null })
})

test('an erasure that is repeated is told once', async () => {
  await Promise.all([at.erase(BEN, capture.events), at.erase(BEN, capture.events)])
  expect((await shown(BEN)).filter(({ source }) => source.table === 'person.erased')).toHaveLength(1)
})

test('a stop between the entry and the key leaves nothing that a repeat does not mend', async () => {
  const id = person(6)
  await signUp(id, 'finn@example.com')
  const context = { requestId: null, traceId: null, ip: null, userAgent: null, reason: null }
  const writer = capture.events
  if (!writer) throw new Error('Nobody writes the chain of events')
  const stopping = erasePerson({
    persons: { erase: () => Promise.reject(new Error('stopped')) },
    erasures: at.erasures,
    now: () => new Date(),
  })
  await expect(stopping({ person: id, writer, context })).rejects.toThrow('stopped')
  expect((await keyRow(id))?.wrapped).not.toBeNull()
  expect((await at.verify()).valid).toBe(true)
  await at.erase(id, writer)
  expect((await keyRow(id))?.wrapped).toBeNull()
  expect((await shown(id)).filter(({ source }) => source.table === 'person.erased')).toHaveLength(1)
  expect((await at.verify()).valid).toBe(true)
})

test('another process forgets a key within a second, its writer seals nothing that can be read', async () => {
  await signUp(CARA, 'cara@example.com')
  const other = createPersonKeys({ store: at.store, keys: at.runtime.keys, cacheMs: 1000 })
  expect(JSON.stringify(await shown(CARA, other))).toContain('cara@example.com')
  await at.erase(CARA, capture.events)
  expect(JSON.stringify(await shown(CARA))).not.toContain('cara@example.com')
  await sleep(1010)
  expect(JSON.stringify(await shown(CARA, other))).not.toContain('cara@example.com')
  expect(await other.seal([{ entryId: person(9), person: CARA, fields: {} }])).toEqual([])
})

test('a load that began before the erasure brings nothing back', async () => {
  const id = person(7)
  await at.trail.persons.seal([{ entryId: person(8), person: id, fields: {} }])
  let hold: (() => void) | undefined
  const slow = createPersonKeys({
    store: {
      ...at.store,
      personKeys: async (persons) => {
        const found = await at.store.personKeys(persons)
        if (hold === undefined) {
          const { promise, resolve } = Promise.withResolvers<void>()
          hold = resolve
          await promise
        }
        return found
      },
    },
    keys: at.runtime.keys,
    cacheMs: 1000,
  })
  const late = slow.seal([{ entryId: person(9), person: id, fields: {} }])
  await eventually(() => expect(hold).toBeDefined())
  await slow.erase([id])
  hold?.()
  await late
  expect(await slow.seal([{ entryId: person(9), person: id, fields: {} }])).toEqual([])
})

test('a store that came back from a backup forgets again whom the list names', async () => {
  await signUp(DORA, 'dora@example.com')
  const backup = await keyRow(DORA)
  await at.erase(DORA, capture.events)
  await at.audit.sql('UPDATE person_keys SET wrapped = $2, erased_at = NULL WHERE person = $1', [DORA, backup?.wrapped])
  await sleep(1010)
  expect(JSON.stringify(await shown(DORA))).toContain('dora@example.com')
  await replayErasures({ persons: at.trail.persons, erasures: at.erasures })
  expect(JSON.stringify(await shown(DORA))).not.toContain('dora@example.com')
})

test('a key that is gone without an entry that says why is named', async () => {
  const id = person(5)
  await signUp(id, 'eve@example.com')
  await at.audit.sql('UPDATE person_keys SET wrapped = NULL, erased_at = now() WHERE person = $1', [id])
  await sleep(1010)
  const sequence = (await allEntries(at)).find(({ entityId }) => entityId === id)?.sequence
  const firstBad = { chain: 'payments', sequence, reason: 'personal_value_altered' }
  expect((await at.verify()).firstBad).toEqual(firstBad)
  // A place that somebody made up does not explain it either.
  await at.audit.sql(`INSERT INTO entry_places VALUES ($1, 'events', 100000)`, [
    (await import('../domain/erasure.ts')).erasureId(id),
  ])
  expect((await at.verify()).firstBad).toEqual(firstBad)
})
