import { readFile, rm, writeFile } from 'node:fs/promises'
import { eventually } from '@ashlar/platform/testing'
import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { allEntries, type Harness, harness } from '../../test/harness.ts'
import { type Entry, GENESIS, hashOf, textsOf } from '../domain/entry.ts'

const TOTAL = 9
const BAD = 4

let at: Harness
let whole: Entry[]
let checkpointRows: Record<string, unknown>[]
let file: string

beforeAll(async () => {
  at = await harness()
  const capture = await at.start({ checkpointEntries: 1000, checkpointMs: 60_000 })
  for (let number = 1; number <= TOTAL; number += 1) {
    await at.sourceUow((tx) => sql`INSERT INTO lines VALUES ('a', ${number}, ${number * 100})`.execute(tx.db))
    if (number % 3 !== 0) continue
    await eventually(async () => expect(await allEntries(at)).toHaveLength(number))
    await capture.writers().get('payments')?.checkpoint()
  }
  await capture.stop()
  whole = await allEntries(at)
  checkpointRows = await at.audit.sql('SELECT * FROM checkpoints ORDER BY number')
  file = await readFile(at.checkpointsFile, 'utf8')
})
afterAll(() => at.close())

afterEach(async () => {
  await store(whole)
  await at.audit.sql('DELETE FROM checkpoints')
  for (const row of checkpointRows) {
    const names = Object.keys(row)
    const places = names.map((_, index) => `$${index + 1}`)
    await at.audit.sql(`INSERT INTO checkpoints (${names}) VALUES (${places})`, Object.values(row))
  }
  await writeFile(at.checkpointsFile, file)
})

/** What somebody with every right on the database leaves behind. */
const store = async (entries: readonly Entry[]) => {
  await at.audit.sql('DELETE FROM entries')
  if (entries.length === 0) return
  await at.store.append({
    chain: 'payments',
    links: entries.map((entry) => ({ entry, texts: textsOf(entry) })),
    sealed: [],
  })
}

/** As if nothing had happened: numbers without holes, every link and hash made anew. */
const recompute = (entries: readonly Entry[]): Entry[] => {
  let previousHash = GENESIS
  return entries.map((entry, index) => {
    const { hash: _, ...rest } = { ...entry, sequence: index + 1, previousHash }
    previousHash = hashOf(rest)
    return { ...rest, hash: previousHash }
  })
}

const at4 = (entries: Entry[]): Entry => entries[BAD - 1] as Entry
const without = (entries: Entry[]) => entries.filter(({ sequence }) => sequence !== BAD)
const forged = (entry: Entry): Entry => {
  const { hash: _, ...rest } = { ...entry, id: crypto.randomUUID(), entityId: 'forged' }
  return { ...rest, hash: hashOf(rest) }
}
const edited = (entries: Entry[]) =>
  entries.map((entry) => (entry.sequence === BAD ? { ...entry, after: { amount: '1' } } : entry))
const swapped = (entries: Entry[]) => {
  const [one, other] = [at4(entries), entries[BAD] as Entry]
  return entries.map((entry) => {
    if (entry === one) return { ...other, sequence: one.sequence }
    return entry === other ? { ...one, sequence: other.sequence } : entry
  })
}
const shifted = (entries: Entry[]) => [
  ...entries.slice(0, BAD - 1),
  forged(at4(entries)),
  ...entries.slice(BAD - 1).map((entry) => ({ ...entry, sequence: entry.sequence + 1 })),
]
const closedUp = (entries: Entry[]) =>
  without(entries).map((entry) => (entry.sequence > BAD ? { ...entry, sequence: entry.sequence - 1 } : entry))

const cases: [
  name: string,
  tampered: (entries: Entry[]) => Entry[],
  sequence: number,
  reason: string,
  recomputed: string,
][] = [
  ['an edited entry', edited, BAD, 'edited', 'edited'],
  [
    'an edited first entry',
    (e) => e.map((it) => (it.sequence === 1 ? { ...it, entityId: 'x' } : it)),
    1,
    'edited',
    'edited',
  ],
  [
    'an edited last entry',
    (e) => e.map((it) => (it.sequence === TOTAL ? { ...it, entityId: 'x' } : it)),
    TOTAL,
    'edited',
    'edited',
  ],
  [
    'a changed actor',
    (e) => e.map((it) => (it.sequence === BAD ? { ...it, actor: { type: 'user', id: 'x' } } : it)),
    BAD,
    'edited',
    'edited',
  ],
  ['a deleted entry', without, BAD, 'deleted', 'edited'],
  ['a deleted entry whose gap was closed', closedUp, BAD, 'deleted', 'edited'],
  ['an inserted entry', shifted, BAD, 'inserted', 'edited'],
  ['two swapped entries', swapped, BAD, 'swapped', 'edited'],
  ['a truncated trail', (e) => e.slice(0, BAD - 1), BAD, 'truncated', 'truncated'],
  ['a missing last entry', (e) => e.slice(0, TOTAL - 1), TOTAL, 'truncated', 'truncated'],
  ['an empty trail', () => [], 1, 'truncated', 'truncated'],
]

test('the untouched trail is whole', async () => {
  expect(await at.verify()).toEqual({ valid: true, checked: TOTAL, firstBad: null })
})

describe.each([
  ['with the checkpoint rows', false],
  ['with the checkpoint rows removed', true],
])('%s', (_, rowsRemoved) => {
  test.each(cases)('%s is named', async (_name, tampered, sequence, reason, recomputed) => {
    if (rowsRemoved) await at.audit.sql('DELETE FROM checkpoints')
    await store(tampered(whole))
    expect(await at.verify()).toEqual({
      valid: false,
      checked: sequence - 1,
      firstBad: { chain: 'payments', sequence, reason },
    })
    await store(recompute(tampered(whole)))
    expect(await at.verify()).toEqual({
      valid: false,
      checked: sequence - 1,
      firstBad: { chain: 'payments', sequence, reason: recomputed },
    })
  })
})

test('without the file the rows are the witness', async () => {
  await rm(at.checkpointsFile)
  expect((await at.verify()).valid).toBe(true)
  await store(recompute(edited(whole)))
  expect((await at.verify()).firstBad).toMatchObject({ sequence: BAD, reason: 'edited' })
})

test('a checkpoint that was made by another key vouches for nothing', async () => {
  await rm(at.checkpointsFile)
  await at.audit.sql(`UPDATE checkpoints SET signature = encode(sha256('x'), 'base64') WHERE number = 2`)
  const [row] = await at.audit.sql<{ from_sequence: bigint }>('SELECT from_sequence FROM checkpoints WHERE number = 2')
  expect((await at.verify()).firstBad).toEqual({
    chain: 'payments',
    sequence: Number(row?.from_sequence),
    reason: 'unsigned',
  })
})

test('an altered checkpoint row is told even where the file proves the entries', async () => {
  await at.audit.sql(`UPDATE checkpoints SET hash = 'x' WHERE number = 1`)
  expect((await at.verify()).firstBad).toEqual({ chain: 'payments', sequence: 1, reason: 'checkpoint_altered' })
})

test('a torn last line of the file is no alarm', async () => {
  await writeFile(at.checkpointsFile, `${file}{"chain":"payments","number":99,"fr`)
  expect((await at.verify()).valid).toBe(true)
})

test('a writer that finds its trail cut goes on behind the signed end, so that the cut stays visible', async () => {
  await store(whole.slice(0, BAD - 1))
  const capture = await at.start({ checkpointMs: 20 })
  await at.sourceUow((tx) => sql`INSERT INTO lines VALUES ('b', 1, 1)`.execute(tx.db))
  await eventually(async () => expect((await allEntries(at)).at(-1)?.sequence).toBe(TOTAL + 1))
  expect((await at.verify()).firstBad).toEqual({ chain: 'payments', sequence: BAD, reason: 'deleted' })
  await capture.stop()
  expect(
    at.runtime.logs.some(({ message }) => message === 'The store of the trail was changed behind its writer'),
  ).toBe(true)
})

test('what somebody else put behind the end of a running chain is found', async () => {
  const capture = await at.start({ checkpointMs: 20 })
  await eventually(async () => expect((await at.verify()).valid).toBe(true))
  const head = (await allEntries(at)).at(-1) as Entry
  const { hash: _, ...next } = { ...forged(head), sequence: head.sequence + 1, previousHash: head.hash }
  const entry = { ...next, hash: hashOf(next) }
  await at.store.append({ chain: 'payments', links: [{ entry, texts: textsOf(entry) }], sealed: [] })
  const inserted = { valid: false, firstBad: { chain: 'payments', sequence: head.sequence + 1, reason: 'inserted' } }
  expect(await at.verify()).toMatchObject(inserted)
  await at.sourceUow((tx) => sql`INSERT INTO lines VALUES ('c', 1, 1)`.execute(tx.db))
  await eventually(async () => expect((await allEntries(at)).at(-1)?.sequence).toBe(head.sequence + 2))
  expect(await at.verify()).toMatchObject(inserted)
  await capture.stop()
})
