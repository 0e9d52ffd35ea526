import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { err, ok, systemClock } from '@ashlar/kernel'
import { type Bus, createPostgresBus } from '@ashlar/platform/bus'
import type { Caller } from '@ashlar/platform/http'
import { eventually, type TestDatabase, testBusDatabase, testDatabase, testRuntime } from '@ashlar/platform/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { defaults } from '../../test/harness.ts'
import { type Audit, auditMigrations, createAudit } from '../index.ts'

const ROWS = 12_000
const AUDITOR = '0193a3f0-0000-7000-8000-000000000001'

const runtime = testRuntime({ clock: systemClock })
let store: TestDatabase
let busDatabase: TestDatabase
let bus: Bus
let dataDir: string
let audit: Audit
let origin: string

beforeAll(async () => {
  store = await testDatabase('audit', auditMigrations)
  busDatabase = await testBusDatabase()
  bus = createPostgresBus({ url: busDatabase.urlAs('audit'), runtime })
  dataDir = await mkdtemp(join(tmpdir(), 'ashlar-exports-'))
  const caller: Caller = {
    userId: AUDITOR,
    sessionId: AUDITOR,
    email: 'x@example.com',
    roles: [],
    permissions: ['audit:read'],
    authTime: 0,
    amr: [],
    claims: {},
  }
  audit = await createAudit({
    runtime,
    settings: defaults({ exportsAtOnce: 2 }),
    databaseUrl: store.url,
    bus,
    authenticator: {
      authenticate: async (token) => {
        if (token === 'auditor') return ok(caller)
        return token === 'nobody' ? ok({ ...caller, permissions: [] }) : err('access_token_invalid')
      },
    },
    sources: [],
    dataDir,
  })
  await audit.start()
  await store.sql(
    `
    INSERT INTO entries SELECT gen_random_uuid(), 'filled', i, 'payments', 'line', i::text, 'insert', NULL,
      json_build_object('text', '=cmd|' || repeat('x', 400), 'number', i), '["number", "text"]',
      '{"type":"user","id":"@SUM(1)"}', '{"requestId":null,"traceId":null,"ip":null,"userAgent":null,"reason":null}',
      '{"epoch":"e","lsn":null,"txid":null,"table":"lines","commitTime":"2026-01-01T00:00:00Z"}',
      '2026-01-01'::timestamptz + i * interval '1 second', '', ''
    FROM generate_series(1, $1) i`,
    [ROWS],
  )
  origin = `http://127.0.0.1:${await audit.http.listen('127.0.0.1', 0)}`
}, 60_000)

afterAll(async () => {
  await audit.close()
  await bus.close()
  await Promise.all([store.close(), busDatabase.close()])
  await rm(dataDir, { recursive: true, force: true })
})

const request = (body: object, more: RequestInit & { token?: string } = {}) =>
  fetch(`${origin}/audit/exports`, {
    method: 'POST',
    headers: { authorization: `Bearer ${more.token ?? 'auditor'}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...more,
  })

/** Fields of CSV as RFC 4180 has them. */
const parseCsv = (text: string): string[][] =>
  [...text.matchAll(/((?:"(?:[^"]|"")*"|[^,\r\n]*)(?:,(?:"(?:[^"]|"")*"|[^,\r\n]*))*)\r\n/g)].map(([, row = '']) =>
    [...row.matchAll(/(?:^|,)("(?:[^"]|"")*"|[^,]*)/g)].map(([, cell = '']) =>
      cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell,
    ),
  )

test('NDJSON holds every entry once, oldest first, in bounded memory', async () => {
  const heap = process.memoryUsage().heapUsed
  const response = await request({ format: 'ndjson', service: 'payments' })
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toMatch(/^application\/x-ndjson/)
  expect(response.headers.get('content-disposition')).toBe('attachment; filename="audit-entries.ndjson"')
  let [rest, last, most] = ['', 0, 0]
  for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
    const lines = (rest + Buffer.from(part).toString('utf8')).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      const entry = JSON.parse(line) as { sequence: number }
      expect(entry.sequence).toBe(last + 1)
      last = entry.sequence
    }
    most = Math.max(most, process.memoryUsage().heapUsed)
  }
  expect(last).toBe(ROWS)
  expect(most - heap).toBeLessThan(100 * 1024 * 1024)
})

test('CSV has a header row, as many cells in each row, and none that runs', async () => {
  const response = await request({ format: 'csv', entity: 'line', to: '2026-01-01T00:05:00Z' })
  expect(response.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present')
  const [head = [], ...rows] = parseCsv(await response.text())
  expect(rows).toHaveLength(299)
  expect(rows.every((row) => row.length === head.length)).toBe(true)
  const cell = (row: string[] | undefined, name: string) => row?.[head.indexOf(name)]
  expect(cell(rows[0], 'actorId')).toBe("'@SUM(1)")
  expect(JSON.parse(cell(rows[0], 'after') ?? '')).toMatchObject({ number: 1 })
  expect(rows.flat().filter((it) => /^[=+\-@\t\r]/.test(it))).toEqual([])
})

test('that somebody exported is in the trail, with what he asked for', async () => {
  await (await request({ format: 'csv', entity: 'nothing' })).text()
  const [entry] = await store.sql<Record<string, unknown>>(
    `SELECT action, actor, "after", source FROM entries WHERE chain = 'events' ORDER BY sequence DESC LIMIT 1`,
  )
  expect(entry).toMatchObject({
    action: 'event',
    actor: { type: 'user', id: AUDITOR },
    after: { format: 'csv', filter: { entity: 'nothing' } },
    source: { table: 'trail.exported' },
  })
  expect((await audit.verify()).firstBad).toMatchObject({ chain: 'filled' })
})

test('who leaves in the middle ends the reading, and makes room for the next', async () => {
  const aborts = [new AbortController(), new AbortController()]
  for (const { signal } of aborts) {
    const response = await request({ format: 'ndjson' }, { signal })
    await response.body?.getReader().read()
  }
  const refused = await request({ format: 'ndjson' })
  expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([503, 'overloaded'])
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  for (const abort of aborts) abort.abort()
  await eventually(async () => {
    const again = await request({ format: 'ndjson', entity: 'nothing' })
    expect(again.status).toBe(200)
    await again.text()
  })
})

test('it is for those who may read the trail, and takes no field that it does not know', async () => {
  expect((await request({ format: 'csv' }, { token: 'nobody' })).status).toBe(403)
  expect((await request({ format: 'csv' }, { token: 'stranger' })).status).toBe(401)
  for (const body of [{}, { format: 'xlsx' }, { format: 'csv', limit: 1 }, { format: 'csv', from: 'yesterday' }]) {
    expect((await request(body)).status).toBe(400)
  }
})
