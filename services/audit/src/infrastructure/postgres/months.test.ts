import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { systemClock } from '@ashlar/kernel'
import { createUnitOfWork, type Database, migrate, openDatabase, Session } from '@ashlar/platform/postgres'
import { type TestDatabase, testDatabase, testRuntime } from '@ashlar/platform/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AuditStore, ChainConflict, type EntryFilter } from '../../application/ports.ts'
import { EMPTY_HEAD, extend } from '../../domain/chain.ts'
import { type Draft, type Link, textsOf } from '../../domain/entry.ts'
import { auditMigrations } from '../../index.ts'
import { createPostgresAuditStore } from './audit-store.ts'
import type { AuditDatabase } from './database.ts'
import { listQuery } from './list-entries.ts'

const runtime = testRuntime({ clock: systemClock })

const draft = (id: string): Draft => ({
  id,
  service: 'auth',
  entity: 'user',
  entityId: 'u1',
  action: 'insert',
  before: null,
  after: {},
  changed: [],
  actor: { type: 'user', id: 'u1' },
  context: { requestId: 'r1', traceId: null, ip: null, userAgent: null, reason: null },
  source: { epoch: 'e/1', lsn: '0/1', txid: 7, table: 'users', commitTime: '2026-01-01T00:00:00.000000Z' },
  personal: [],
  keys: [],
})

const micros = (time: string) => BigInt(Date.parse(time)) * 1000n

const chained = (
  chain: string,
  times: readonly string[],
  ids: string[] = times.map(() => crypto.randomUUID()),
): Link[] => {
  let head = EMPTY_HEAD
  return times.flatMap((time, index) => {
    const one = draft(ids[index] ?? '')
    const extended = extend(chain, head, [{ draft: one, texts: textsOf(one) }], micros(time))
    head = extended.head
    return extended.links
  })
}

const open = async (audit: TestDatabase): Promise<{ store: AuditStore; database: Database<AuditDatabase> }> => {
  const database = openDatabase<AuditDatabase>({ url: audit.url, applicationName: 'audit', runtime, service: 'audit' })
  const unitOfWork = createUnitOfWork({ database, runtime, service: 'audit', repositories: () => ({}) })
  return { store: createPostgresAuditStore({ database, unitOfWork, runtime }), database }
}

const partitions = async (audit: TestDatabase) =>
  (
    await audit.sql<{ name: string; count: number }>(
      `SELECT tableoid::regclass::text AS name, count(*)::int FROM entries GROUP BY 1 ORDER BY 1`,
    )
  ).map(({ name, count }) => `${name}: ${count}`)

describe('an existing trail', () => {
  let audit: TestDatabase
  let before: URL
  beforeAll(async () => {
    before = pathToFileURL(`${await mkdtemp(join(tmpdir(), 'ashlar-before-'))}/`)
    await cp(new URL('0001_trail.sql', auditMigrations.folder), new URL('0001_trail.sql', before))
    audit = await testDatabase('audit', { service: 'audit', folder: before })
  })
  afterAll(async () => {
    await audit.close()
    await rm(before, { recursive: true })
  })

  test('becomes the first partition, and goes on in months', async () => {
    const now = new Date()
    const next = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 2)).toISOString()
    const links = chained('auth', ['2026-03-01T00:00:00Z', now.toISOString(), next])
    for (const { entry } of links.slice(0, 2)) {
      await audit.sql(
        `INSERT INTO entries VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, '{}', '[]', $8, $9, $10, $11, $12, $13)`,
        [
          ...[entry.id, entry.chain, entry.sequence, entry.service, entry.entity, entry.entityId, entry.action],
          ...[entry.actor, entry.context, entry.source, entry.recordedAt, entry.previousHash, entry.hash],
        ],
      )
    }
    await migrate({
      adminUrl: audit.adminUrl,
      set: auditMigrations,
      runtimeRole: runtime.names.role('audit'),
      publication: runtime.names.publication,
      log: { info: () => {} },
    })
    expect(await audit.undeclared()).toEqual([])
    const { store, database } = await open(audit)
    const month = now.toISOString().slice(0, 7).replace('-', '_')
    expect(await partitions(audit)).toEqual([`entries_until_${month}: 2`])
    expect(await store.entries('auth', 0, 10)).toEqual(links.slice(0, 2).map(({ entry }) => entry))
    expect((await store.known(links.map(({ entry }) => entry.id))).size).toBe(2)

    await store.append({ chain: 'auth', links: links.slice(2), sealed: [] })
    expect(await partitions(audit)).toEqual([
      `entries_${next.slice(0, 7).replace('-', '_')}: 1`,
      `entries_until_${month}: 2`,
    ])
    expect((await store.entries('auth', 0, 10)).map(({ sequence }) => sequence)).toEqual([1, 2, 3])
    expect((await store.head('auth'))?.sequence).toBe(3)
    await database.close()
  })
})

describe('months', () => {
  let audit: TestDatabase
  let store: AuditStore
  let database: Database<AuditDatabase>
  beforeAll(async () => {
    audit = await testDatabase('audit', auditMigrations)
    ;({ store, database } = await open(audit))
  })
  afterAll(async () => {
    await database.close()
    await audit.close()
  })

  test('are made on demand, also for a batch that ends in another month than it began', async () => {
    const links = chained('demand', ['2026-01-31T23:59:59.999Z', '2026-02-01T00:00:00Z', '2027-05-05T00:00:00Z'])
    await store.append({ chain: 'demand', links: links.slice(0, 2), sealed: [] })
    await store.append({ chain: 'demand', links: links.slice(2), sealed: [] })
    expect(await partitions(audit)).toEqual(['entries_2026_01: 1', 'entries_2026_02: 1', 'entries_2027_05: 1'])
  })

  test('keep ids and sequences unique across all of them', async () => {
    const [first] = chained('unique', ['2026-01-05T00:00:00Z'])
    await store.append({ chain: 'unique', links: first ? [first] : [], sealed: [] })
    const sameId = chained('other', ['2026-09-05T00:00:00Z'], [first?.entry.id ?? ''])
    await expect(store.append({ chain: 'other', links: sameId, sealed: [] })).rejects.toThrow(ChainConflict)
    const sameSequence = chained('unique', ['2026-09-05T00:00:00Z'])
    await expect(store.append({ chain: 'unique', links: sameSequence, sealed: [] })).rejects.toThrow(ChainConflict)
    expect(await store.entries('unique', 0, 10)).toEqual([first?.entry])
  })

  test('take over what had to wait in the default partition', async () => {
    const links = chained('late', ['2031-07-01T00:00:00Z', '2031-07-31T23:00:00Z', '2031-08-01T00:00:00Z'])
    const holder = await Session.open({ url: audit.adminUrl, applicationName: 'test', dependency: 'postgres' })
    await holder.query('BEGIN')
    await holder.query('LOCK TABLE trail_months IN SHARE ROW EXCLUSIVE MODE')
    // Waits for its month no longer than the lock may take, then goes on without.
    await store.append({ chain: 'late', links, sealed: [] })
    await holder.query('COMMIT')
    await holder.close()
    expect(await partitions(audit)).toContain('entries_default: 3')
    await store.prepareMonths(new Date('2031-07-15T00:00:00Z'), 1)
    expect(await partitions(audit)).toEqual(expect.arrayContaining(['entries_2031_07: 2', 'entries_2031_08: 1']))
    expect(await store.entries('late', 0, 10)).toEqual(links.map(({ entry }) => entry))
  })

  test('are made by one of many that ask at once', async () => {
    await Promise.all(
      Array.from({ length: 6 }, async () => {
        const other = await open(audit)
        await other.store.prepareMonths(new Date('2033-01-10T00:00:00Z'), 2)
        await other.database.close()
      }),
    )
    const names = await audit.sql<{ name: string }>(
      `SELECT name FROM trail_months WHERE name LIKE 'entries_2033%' ORDER BY 1`,
    )
    expect(names.map(({ name }) => name)).toEqual(['entries_2033_01', 'entries_2033_02', 'entries_2033_03'])
  })

  test('cannot be reached past the trail by the role of the service', async () => {
    const session = await Session.open({ url: audit.url, applicationName: 'test', dependency: 'postgres' })
    for (const statement of [
      'DELETE FROM entries_2026_01',
      'UPDATE entries_2026_01 SET entity_id = NULL',
      'DELETE FROM entries_default',
      'DROP TABLE entries_2026_01',
      'ALTER TABLE entries DETACH PARTITION entries_2026_01',
      'DELETE FROM entry_places',
      `UPDATE trail_months SET segment = '{}'`,
    ]) {
      await expect(session.query(statement)).rejects.toThrow(/permission denied|must be owner/)
    }
    await session.close()
  })
})

describe('among 50,000 entries', () => {
  let audit: TestDatabase
  let database: Database<AuditDatabase>
  beforeAll(async () => {
    audit = await testDatabase('audit', auditMigrations)
    ;({ database } = await open(audit))
    await audit.sql(
      `SELECT ashlar.ensure_trail_month(t) FROM unnest(ARRAY['2026-01-01', '2026-02-01']::timestamptz[]) t`,
    )
    await audit.sql(`
      INSERT INTO entries SELECT gen_random_uuid(), 'auth', i, 's' || i % 5, 'e' || i % 40, (i % 9000)::text,
        (ARRAY['insert', 'update', 'delete', 'event'])[1 + i % 4], NULL, '{}', '[]',
        jsonb_build_object('type', 'user', 'id', 'u' || i % 3000), jsonb_build_object('requestId', 'r' || i / 2), '{}',
        '2026-01-01'::timestamptz + i * interval '1 minute', '', ''
      FROM generate_series(1, 50000) i`)
    await audit.sql('ANALYZE entries')
  })
  afterAll(async () => {
    await database.close()
    await audit.close()
  })

  const nodes = (plan: Record<string, unknown>): string[] => [
    ...(plan['Relation Name'] === undefined ? [] : [`${plan['Node Type']} ${plan['Relation Name']}`]),
    ...((plan.Plans as Record<string, unknown>[] | undefined) ?? []).flatMap(nodes),
  ]

  test.each<EntryFilter>([
    {},
    { actor: 'user:u77' },
    { actor: 'u77' },
    { action: 'delete' },
    { entity: 'e7' },
    { entityId: '77' },
    { service: 's3' },
    { requestId: 'r777' },
    { from: '2026-01-20T00:00:00Z' },
    { to: '2026-01-02T00:00:00Z' },
    { from: '2026-01-20T00:00:00Z', to: '2026-01-21T00:00:00Z' },
    { entity: 'e7', entityId: '7' },
  ])('%j reads no partition from end to end', async (filter) => {
    for (const order of ['newest', 'oldest'] as const) {
      for (const after of [undefined, { recordedAt: '2026-01-20T00:00:00Z', id: crypto.randomUUID() }]) {
        const query = listQuery(database.db, { filter, order, after, limit: 21 })
        const [row] = await query.explain<{ 'QUERY PLAN': { Plan: Record<string, unknown> }[] }>('json')
        const read = nodes(row?.['QUERY PLAN'][0]?.Plan ?? {})
        expect(read.length).toBeGreaterThan(0)
        expect(read.filter((node) => /^Seq Scan entries_2026/.test(node))).toEqual([])
      }
    }
  })
})
