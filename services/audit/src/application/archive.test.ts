import { appendFile, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Harness, harness } from '../../test/harness.ts'
import { EMPTY_HEAD, extend, type Head } from '../domain/chain.ts'
import { type Draft, textsOf } from '../domain/entry.ts'
import { archiveFolder } from '../infrastructure/files/archive-folder.ts'
import { verifyExport, writeExport } from '../infrastructure/files/export-file.ts'
import { openMonthVault } from '../infrastructure/postgres/month-vault.ts'
import { createChainWriter } from './chain-writer.ts'
import { archiveMonths } from './commands/archive-months.ts'
import { exportLines } from './queries/export-trail.ts'
import { exportHeader, storedTrail } from './trail.ts'

const PERSON = '0193a3f0-0000-7000-8000-000000000001'

let at: Harness
let folder: string
let clock: number

const draft = (number: number): Draft => ({
  id: crypto.randomUUID(),
  service: 'payments',
  entity: 'user',
  entityId: PERSON,
  action: 'update',
  before: null,
  after: { number, email: `${number}@example.com` },
  changed: ['email', 'number'],
  actor: { type: 'service', id: 'test' },
  context: { requestId: null, traceId: null, ip: null, userAgent: null, reason: null },
  source: { epoch: 'e/1', lsn: '0/1', txid: 7, table: 'people', commitTime: '2026-01-01T00:00:00.000000Z' },
  personal: [{ part: 'after', field: 'email', person: PERSON }],
  keys: [],
})

const writerOf = (chain: string) =>
  createChainWriter({
    chain,
    store: at.store,
    witness: at.trail.witness,
    persons: at.trail.persons,
    signer: at.signer,
    log: at.runtime.logger('audit'),
    now: () => clock,
    checkpointEntries: 1000,
    checkpointMs: 60_000,
    maxValuesBytes: 10_000,
  })

/** Entries of a chain at these times; the checkpoints do not end where the months do. */
const write = async (chain: string, times: readonly string[]) => {
  const writer = writerOf(chain)
  for (const [index, time] of times.entries()) {
    clock = Date.parse(time)
    await writer.append([draft(index + 1)])
    if (index % 3 === 1) await writer.checkpoint()
  }
  await writer.close()
}

const archive = async (through: string) => {
  const vault = await openMonthVault(at.audit.adminUrl)
  try {
    const deps = { store: at.store, trail: at.trail, signer: at.signer, folder: files(), now: () => new Date(clock) }
    return await archiveMonths(deps)({ through, vault })
  } finally {
    await vault.close()
  }
}

const files = () => archiveFolder(folder, at.signer.publicKey)

beforeAll(async () => {
  at = await harness()
  folder = join(at.dataDir, 'audit', 'archive')
  const times = ['01-10', '01-20', '02-01', '02-11', '02-12', '03-01', '03-02', '03-03']
  await write(
    'payments',
    times.map((time) => `2025-${time}T00:00:00Z`),
  )
  await write('quiet', ['2025-01-15T00:00:00Z', '2025-02-15T00:00:00Z'])
  await at.store.prepareMonths(new Date('2025-03-01T00:00:00Z'), 0)
  clock = Date.parse('2025-03-05T00:00:00Z')
})
afterAll(() => at.close())

const whole = { valid: true, firstBad: null }

test('an ended month goes into a file that verifies; what is left verifies from where the file ends', async () => {
  expect(await at.verify()).toEqual({ ...whole, checked: 10 })
  expect(await archive('2025-01')).toEqual([{ name: 'entries_2025_01', file: 'entries_2025_01.ndjson', entries: 3 }])
  const file = join(folder, 'entries_2025_01.ndjson')
  expect(await verifyExport(file, { publicKey: at.signer.publicKey, checkpointsFile: at.checkpointsFile })).toEqual({
    ...whole,
    checked: 3,
  })
  expect(await at.verify()).toEqual({ ...whole, checked: 7 })
  expect((await at.store.entries('payments', 0, 1))[0]?.sequence).toBe(3)
  const text = await readFile(file, 'utf8')
  expect(text).not.toContain('@example.com')
  expect(text.match(/"kind":"sealed"/g)).toHaveLength(3)
  expect(await at.audit.sql('SELECT 1 FROM sealed_fields')).toHaveLength(7)
})

test('what was archived is still known: a replay stores nothing twice', async () => {
  const line = (await readFile(join(folder, 'entries_2025_01.ndjson'), 'utf8')).split('\n')[1] ?? ''
  const { id } = JSON.parse(line) as { id: string }
  const writer = writerOf('payments')
  await writer.append([{ ...draft(1), id }])
  await writer.close()
  expect(await at.verify()).toEqual({ ...whole, checked: 7 })
})

test('a chain of which everything is archived goes on where it ended', async () => {
  expect((await archive('2025-02')).map(({ entries }) => entries)).toEqual([4])
  expect((await at.store.head('quiet'))?.sequence).toBe(2)
  clock = Date.parse('2025-03-10T00:00:00Z')
  const writer = writerOf('quiet')
  await writer.append([draft(3)])
  await writer.close()
  expect((await at.store.entries('quiet', 0, 10)).map(({ sequence }) => sequence)).toEqual([3])
  expect(await at.verify()).toEqual({ ...whole, checked: 4 })
})

test('an export of what is left proves itself, and tells what it begins behind', async () => {
  const header = await exportHeader(at.trail, at.signer, { waitMs: 100, now: () => clock })
  const file = join(at.dataDir, 'rest.ndjson')
  await writeExport(file, exportLines(header, storedTrail(at.trail)))
  expect(await verifyExport(file, { publicKey: at.signer.publicKey })).toEqual({ ...whole, checked: 4 })
  const lines = (await readFile(file, 'utf8')).split('\n')
  const broken: [(text: string[]) => string[], object][] = [
    [
      (it) => it.filter((line) => !line.includes('"sequence":6,')),
      { chain: 'payments', sequence: 6, reason: 'deleted' },
    ],
    [(it) => it.filter((line) => !line.includes('"sequence":8,')), { sequence: 8, reason: 'truncated' }],
    [(it) => it.slice(0, 4), { chain: 'payments', sequence: 6, reason: 'unsigned' }],
    [([head = '', ...rest]) => [head.replace('"sequence":5', '"sequence":6'), ...rest], { reason: 'unsigned' }],
  ]
  for (const [change, firstBad] of broken) {
    await writeFile(file, change(lines).join('\n'))
    expect(await verifyExport(file, { publicKey: at.signer.publicKey })).toMatchObject({ valid: false, firstBad })
  }
})

test('a month that is not over, or not signed, stays', async () => {
  clock = Date.parse('2025-03-20T00:00:00Z')
  expect(await archive('2025-03')).toEqual([])
  clock = Date.parse('2025-04-02T00:00:00Z')
  let head = (await at.store.head('payments')) ?? EMPTY_HEAD
  const unsigned = draft(9)
  const extended = extend(
    'payments',
    head as Head,
    [{ draft: unsigned, texts: textsOf(unsigned) }],
    BigInt(Date.parse('2025-03-25T00:00:00Z')) * 1000n,
  )
  head = extended.head
  await at.store.append({ chain: 'payments', links: extended.links, sealed: [] })
  await expect(archive('2025-03')).rejects.toThrow('signed up to 8 only')
  await at.audit.sql(`DELETE FROM entries WHERE chain = 'payments' AND sequence = $1`, [head.sequence])
  expect((await at.verify()).valid).toBe(true)
})

test('a segment whose file is gone or another is named, and one that nobody signed', async () => {
  const file = join(folder, 'entries_2025_02.ndjson')
  await rename(file, `${file}.away`)
  const missing = { valid: false, checked: 0, firstBad: { chain: 'payments', sequence: 3, reason: 'archive_missing' } }
  expect(await at.verify()).toEqual(missing)
  await rename(`${file}.away`, file)
  const text = await readFile(file, 'utf8')
  await appendFile(file, '\n')
  expect(await at.verify()).toEqual(missing)
  await writeFile(file, text)
  expect((await at.verify()).valid).toBe(true)

  const [row] = await at.audit.sql<{ segment: object }>(
    `SELECT segment FROM trail_months WHERE name = 'entries_2025_02'`,
  )
  const put = (segment: object | null) =>
    at.audit.sql(`UPDATE trail_months SET segment = $1 WHERE name = 'entries_2025_02'`, [
      segment && JSON.stringify(segment),
    ])
  await put({ ...row?.segment, archivedAt: '2020-01-01T00:00:00.000Z' })
  expect((await at.verify()).firstBad).toEqual({ chain: 'payments', sequence: 3, reason: 'unsigned' })
  await put(null)
  expect((await at.verify()).firstBad).toEqual({ chain: 'payments', sequence: 3, reason: 'deleted' })
  await put(row?.segment ?? null)
  expect((await at.verify()).valid).toBe(true)
})

test('a partition that is dropped past the archive is named', async () => {
  await at.audit.sql('DROP TABLE entries_2025_03')
  expect((await at.verify()).firstBad).toEqual({ chain: 'payments', sequence: 6, reason: 'truncated' })
})
