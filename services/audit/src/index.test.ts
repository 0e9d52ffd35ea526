import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { refreshReused, userDeleted, userLogin, userLoginFailed } from '@ashlar/auth/contract'
import { err, ok, systemClock } from '@ashlar/kernel'
import { type Bus, createPostgresBus } from '@ashlar/platform/bus'
import { toEnvelope } from '@ashlar/platform/events'
import type { Caller } from '@ashlar/platform/http'
import { eventually, type TestDatabase, testBusDatabase, testDatabase, testRuntime } from '@ashlar/platform/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { defaults, SOURCE } from '../test/harness.ts'
import { type Audit, auditMigrations, createAudit, verifyExport } from './index.ts'

const ANNA = '0193a3f0-0000-7000-8000-000000000001'
const BEN = '0193a3f0-0000-7000-8000-000000000002'
const SESSION = '0193a3f0-0000-7000-8000-00000000000a'

const runtime = testRuntime({ clock: systemClock })
let source: TestDatabase
let store: TestDatabase
let busDatabase: TestDatabase
let dataDir: string
let authBus: Bus
let auditBus: Bus
let audit: Audit
let erased: string

const caller = (userId: string, permissions: string[]): Caller => ({
  userId,
  sessionId: SESSION,
  email: 'x@example.com',
  roles: [],
  permissions,
  authTime: 0,
  amr: [],
  claims: {},
})

const open = () =>
  createAudit({
    runtime,
    settings: defaults(),
    databaseUrl: store.url,
    bus: auditBus,
    authenticator: {
      authenticate: async (token) => {
        if (token === 'auditor') return ok(caller(BEN, ['audit:read']))
        return token === 'anna' ? ok(caller(ANNA, [])) : err('access_token_invalid')
      },
    },
    sources: [
      { service: 'payments', url: source.changesUrl, slot: `d_${source.name.slice(-12)}`, publication: 'ashlar_audit' },
    ],
    dataDir,
  })

beforeAll(async () => {
  source = await testDatabase(SOURCE.service, SOURCE)
  store = await testDatabase('audit', auditMigrations)
  busDatabase = await testBusDatabase()
  dataDir = await mkdtemp(join(tmpdir(), 'ashlar-audit-'))
  erased = join(dataDir, 'audit', 'erased.ndjson')
  authBus = createPostgresBus({ url: busDatabase.urlAs('auth'), runtime })
  auditBus = createPostgresBus({ url: busDatabase.urlAs('audit'), runtime })
  audit = await open()
  await audit.start()
  for (let round = 1; round <= 5; round += 1) {
    await source.sql(`INSERT INTO people (id, email, name) VALUES (gen_random_uuid(), 'p${round}@example.com', 'P')`)
  }
  await source.sql(`INSERT INTO people (id, email, name) VALUES ('${ANNA}', 'anna@example.com', 'Anna')`)
  await source.sql(`UPDATE people SET name = 'Anne' WHERE id = '${ANNA}'`)
  const told = <D>(
    type: { of(event: { subject: string; data: D }): Parameters<typeof toEnvelope>[2] },
    subject: string,
    data: D,
  ) =>
    runtime.as(
      () => toEnvelope(runtime, 'auth', type.of({ subject, data })),
      { type: 'anonymous', id: 'anonymous' },
      { requestId: 'r-login' },
    )
  const timestamp = new Date().toISOString()
  await authBus.publish([
    told(userLogin, SESSION, {
      userId: ANNA,
      email: 'anna@example.com',
      sessionId: SESSION,
      timestamp,
      ipAddress: '192.0.2.7',
      userAgent: 'browser',
    }),
    told(userLoginFailed, 'abc', { identifierHash: 'abc', reason: 'credentials_invalid', timestamp, ipAddress: null }),
    told(refreshReused, SESSION, { userId: ANNA, sessionId: SESSION, timestamp, ipAddress: null }),
  ])
  await eventually(async () => expect((await get('/audit/entries?limit=100')).body.data).toHaveLength(10))
}, 90_000)

afterAll(async () => {
  await audit.close()
  await authBus.close()
  await auditBus.close()
  await source.sql('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = $1', [
    source.name,
  ])
  await Promise.all([source.close(), store.close(), busDatabase.close()])
  await rm(dataDir, { recursive: true, force: true })
})

type Listed = { data: Record<string, unknown>[]; page: { nextCursor: string | null; hasMore: boolean }; code?: string }

const get = async (url: string, token = 'auditor') => {
  const response = await audit.http.fastify.inject({ url, headers: { authorization: `Bearer ${token}` } })
  return { status: response.statusCode, body: response.json() as Listed }
}

const names = async (query: string) =>
  (await get(`/audit/entries?limit=100&${query}`)).body.data.map(({ entity, action }) => `${entity} ${action}`).sort()

test('sign-ins and their like are entries of the chain events', async () => {
  expect(await names('action=event')).toEqual(['session event', 'session event', 'user event'])
  const { body } = await get(`/audit/entries?requestId=r-login&entity=session&actor=user:${ANNA}`)
  expect(body.data[0]).toMatchObject({
    chain: 'events',
    service: 'auth',
    entityId: SESSION,
    actor: { type: 'user', id: ANNA },
    after: { email: 'anna@example.com', userId: ANNA },
    context: { requestId: 'r-login', ip: '192.0.2.7' },
    source: { table: 'user.login.v1' },
  })
  const stored = await store.sql<{ text: string }>('SELECT after::text || context::text AS text FROM entries')
  expect(stored.map(({ text }) => text).join()).not.toMatch(/anna@example\.com|192\.0\.2\.7/)
})

test.each([
  ['actor=database:ashlar', 7],
  ['actor=ashlar', 7],
  ['actor=user:ashlar', 0],
  ['action=update', 1],
  ['entity=user', 8],
  [`entityId=${ANNA}`, 2],
  ['service=auth', 3],
  ['requestId=r-login', 3],
  ['from=2100-01-01T00:00:00Z', 0],
  ['to=2100-01-01T00:00:00Z', 10],
  [`entity=user&action=update&service=payments&actor=ashlar`, 1],
])('the filter %s finds its entries', async (query, count) => {
  expect((await get(`/audit/entries?limit=100&${query}`)).body.data).toHaveLength(count)
})

test('a list is newest first, and its pages hold each entry once', async () => {
  const whole = (await get('/audit/entries?limit=100')).body.data
  expect(whole.map(({ recordedAt }) => recordedAt)).toEqual(
    whole
      .map(({ recordedAt }) => recordedAt)
      .sort()
      .reverse(),
  )
  const paged: unknown[] = []
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { body }: { body: Listed } = await get(`/audit/entries?limit=3${cursor && `&cursor=${cursor}`}`)
    paged.push(...body.data)
    cursor = body.page.nextCursor
  }
  expect(paged).toEqual(whole)
  const { body } = await get('/audit/entries?limit=3')
  expect((await get(`/audit/entries?action=event&cursor=${body.page.nextCursor}`)).body.code).toBe('cursor_invalid')
})

test('from is inclusive and to exclusive', async () => {
  const [newest] = (await get('/audit/entries?limit=1')).body.data
  const at = encodeURIComponent(String(newest?.recordedAt))
  expect((await get(`/audit/entries?from=${at}`)).body.data).toHaveLength(1)
  expect((await get(`/audit/entries?limit=100&to=${at}`)).body.data).toHaveLength(9)
})

test('a timeline is oldest first, for auditors and for the own user', async () => {
  const path = `/audit/timeline/user/${ANNA}`
  const own = await get(path, 'anna')
  expect(own.body.data.map(({ action }) => action)).toEqual(['insert', 'update'])
  expect(own.body.data[1]).toMatchObject({ before: { name: 'Anna' }, after: { name: 'Anne' }, changed: ['name'] })
  expect((await get(path)).body).toEqual(own.body)
  expect((await get(`/audit/timeline/user/${BEN}`, 'anna')).status).toBe(404)
  expect((await get(`/audit/timeline/session/${ANNA}`, 'anna')).status).toBe(404)
  expect((await get('/audit/timeline/payment/not-a-uuid', 'auditor')).status).toBe(404)
  expect((await get('/audit/timeline/role/support', 'auditor')).status).toBe(200)
  expect((await get('/audit/entries', 'anna')).status).toBe(403)
  expect((await get('/audit/entries', 'nobody')).status).toBe(401)
})

test('it verifies over HTTP, shows its checkpoints and is ready', async () => {
  const verified = await audit.http.fastify.inject({
    method: 'POST',
    url: '/audit/verify',
    headers: { authorization: 'Bearer auditor' },
  })
  expect(verified.json()).toEqual({ valid: true, checked: 10, firstBad: null })
  const { body } = await get('/audit/checkpoints/latest')
  expect(body.data.map(({ chain, to }) => [chain, to])).toEqual([
    ['events', 3],
    ['payments', 7],
  ])
  expect((await audit.http.fastify.inject('/readyz')).statusCode).toBe(200)
  expect((await stat(join(dataDir, 'keys', 'audit-signing'))).mode & 0o777).toBe(0o600)
  expect(runtime.logs.some(({ fingerprint }) => fingerprint === audit.fingerprint)).toBe(true)
  expect(
    runtime.logs.some(
      ({ message, checkpoint }) => message === 'Checkpoint' && String(checkpoint).includes('signature'),
    ),
  ).toBe(true)
})

test('an export proves itself offline, and any change to it is found', async () => {
  const file = join(dataDir, 'trail.ndjson')
  const checkpointsFile = join(dataDir, 'audit', 'checkpoints.ndjson')
  expect(await audit.exportTrail(file)).toEqual({ entries: 10 })
  const text = await readFile(file, 'utf8')
  expect(text).not.toContain('anna@example.com')
  expect(await verifyExport(file, { publicKey: audit.publicKey, checkpointsFile })).toMatchObject({
    valid: true,
    checked: 10,
  })
  const lines = text.split('\n')
  const isCheckpoint = (it = '') => it.includes('"kind":"checkpoint"')
  const entry = (sequence: number) =>
    lines.findIndex(
      (it) =>
        it.includes('"kind":"entry"') && it.includes('"chain":"payments"') && it.includes(`"sequence":${sequence},`),
    )
  const broken: [(edited: string[]) => void, object][] = [
    [
      (it) => void it.splice(entry(2), 1, (it[entry(2)] ?? '').replace('"insert"', '"delete"')),
      { sequence: 2, reason: 'edited' },
    ],
    [(it) => void it.splice(entry(3), 1), { sequence: 3, reason: 'deleted' }],
    [(it) => void it.splice(entry(7), 1), { sequence: 7, reason: 'truncated' }],
    [
      (it) => it.splice(0, it.length, ...lines.filter((_, index) => index !== entry(7) && !isCheckpoint(lines[index]))),
      { chain: 'events', sequence: 1, reason: 'unsigned' },
    ],
    [
      (it) => void it.splice(0, 1, (it[0] ?? '').replace('"payments":7', '"payments":6')),
      { chain: 'events', sequence: 1, reason: 'unsigned' },
    ],
  ]
  for (const [change, firstBad] of broken) {
    const edited = [...lines]
    change(edited)
    await writeFile(file, edited.join('\n'))
    expect(await verifyExport(file, { publicKey: audit.publicKey })).toMatchObject({ valid: false, firstBad })
  }
  await writeFile(file, text)
  const { generateKeyPairSync } = await import('node:crypto')
  const other = generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString()
  expect(await verifyExport(file, { publicKey: other })).toMatchObject({
    valid: false,
    firstBad: { reason: 'unsigned' },
  })
})

test('a second look from another process verifies without writing', async () => {
  const onlooker = await open()
  expect(await onlooker.verify()).toEqual({ valid: true, checked: 10, firstBad: null })
  expect((await onlooker.http.fastify.inject('/readyz')).statusCode).toBe(503)
  await onlooker.close()
})

test('when a person is deleted the trail forgets the person and keeps what happened, also when told twice', async () => {
  const data = { userId: ANNA, timestamp: new Date().toISOString() }
  const event = runtime.as(() => toEnvelope(runtime, 'auth', userDeleted.of({ subject: ANNA, data, sequence: 9 })), {
    type: 'user',
    id: ANNA,
  })
  await authBus.publish([event])
  await eventually(async () => expect(JSON.stringify(await readFile(erased, 'utf8'))).toContain(ANNA))
  // As after a crash before the inbox row was written.
  await store.sql('DELETE FROM inbox')
  await authBus.publish([{ ...event, id: runtime.newId() }])
  await source.sql(`DELETE FROM people WHERE id = '${ANNA}'`)
  const told = await eventually(async () => {
    const { body } = await get(`/audit/timeline/user/${ANNA}`, 'anna')
    expect(body.data.map(({ action, source: of }) => `${action} ${(of as { table: string }).table}`).sort()).toEqual([
      'delete people',
      'event person.erased',
      'event user.deleted.v1',
      'event user.deleted.v1',
      'insert people',
      'update people',
    ])
    return body.data
  })
  expect(told.find(({ action }) => action === 'delete')).toMatchObject({
    before: { id: ANNA, email: null, name: null },
  })
  const { body } = await get(`/audit/entries?limit=100&actor=user:${ANNA}`)
  expect(body.data.find(({ entity }) => entity === 'session')).toMatchObject({
    after: { email: null, ipAddress: null, userAgent: null, userId: ANNA },
    context: { ip: null, userAgent: null, requestId: 'r-login' },
  })
  expect(JSON.stringify([told, body])).not.toMatch(/anna@example|Anne|Anna|192\.0\.2\.7/)
  expect((await audit.verify()).valid).toBe(true)
  const file = join(dataDir, 'after.ndjson')
  await audit.exportTrail(file)
  expect((await verifyExport(file, { publicKey: audit.publicKey })).valid).toBe(true)
  expect(audit.pressure()).toEqual({ ratio: expect.any(Number), refuseWrites: false })
})
