import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { err, ok } from '@ashlar/kernel'
import { type Kysely, sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { defineErrors, defineRoute } from '../contract/index.ts'
import { type Caller, createHttpServer, type HttpServer } from '../http/index.ts'
import { ask, type Reply } from '../http/server.fixture.ts'
import { createUnitOfWork, type Database, openDatabase, type PlatformTx, type UnitOfWork } from '../postgres/index.ts'
import { type TestDatabase, type TestRuntime, testDatabase, testRuntime } from '../testing/index.ts'
import { pruneIdempotencyKeys } from './index.ts'

type Tables = { notes: { id: string; text: string } }
type Tx = PlatformTx & { notes: { add(text: string): Promise<string> } }

const note = z.object({ id: z.string(), text: z.string() })
const errors = defineErrors({
  note_exists: { status: 409, title: 'There is such a note' },
  note_odd: { status: 422, title: 'The note is odd' },
})
const shape = { access: 'user', body: z.object({ text: z.string() }) } as const
const routes = {
  create: defineRoute({
    ...shape,
    method: 'POST',
    path: '/notes/:shelf',
    summary: 'Adds a note',
    idempotency: 'transaction',
    responses: { 201: note, 202: note },
    errors: ['note_exists', 'note_odd', 'not_found'],
  }),
  work: defineRoute({
    ...shape,
    method: 'POST',
    path: '/chores/:id',
    summary: 'Works on it',
    idempotency: 'lease',
    responses: { 200: note, 202: note },
    errors: ['note_exists', 'not_found'],
  }),
}

const caller = (userId: string): Caller => ({
  userId,
  sessionId: 's',
  email: 'a@b.example',
  roles: [],
  permissions: [],
  authTime: 0,
  amr: [],
  claims: {},
})

let folder: string
let store: TestDatabase
let runtime: TestRuntime
let database: Database<Tables>
let unitOfWork: UnitOfWork<Tx>
let server: HttpServer
let port: number
let calls = 0
let gate: Promise<void> | undefined

const add = (db: Kysely<Tables>) => async (text: string) => {
  const id = randomUUID()
  await db.insertInto('notes').values({ id, text }).execute()
  return id
}

const start = (ownerAlive?: (owner: string) => boolean) =>
  createHttpServer({
    service: 'payments',
    runtime,
    routes,
    errors,
    health: {},
    ownerAlive,
    limits: { idempotencyWaitMs: 300 },
    authenticator: { authenticate: async (token) => ok(caller(token)) },
    handlers: {
      create: ({ body: { text }, idempotency }) =>
        idempotency.inTransaction(
          unitOfWork,
          (uow) =>
            uow(async (tx) => {
              calls += 1
              const id = await tx.notes.add(text)
              await gate
              if (text === 'exists') return err('note_exists')
              if (text === 'odd') return err({ code: 'note_odd', detail: 'Odd.' })
              if (text === 'absent') return err('not_found')
              if (text === 'crash') throw new Error('crash')
              return ok({ id, text })
            }),
          (value) =>
            value.text === 'broken'
              ? { status: 201, body: { id: 5 } }
              : {
                  status: value.text === 'later' ? 202 : 201,
                  body: value,
                  headers: { Location: `/notes/${value.id}` },
                },
        ),
      work: ({ body: { text }, idempotency }) =>
        idempotency.leased(
          unitOfWork,
          async (key) => {
            calls += 1
            await gate
            if (text === 'exists') return err('note_exists')
            if (text === 'crash') throw new Error('crash')
            return ok({ id: key, text })
          },
          (value) => ({ status: value.text === 'unsettled' ? 202 : 200, body: value }),
        ),
    },
  })

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ashlar-notes-'))
  await writeFile(
    join(folder, '0001_notes.sql'),
    "CREATE TABLE notes (id uuid PRIMARY KEY, text text NOT NULL); SELECT ashlar.technical('notes', 'of a test');",
  )
  store = await testDatabase('payments', { service: 'payments', folder: pathToFileURL(`${folder}/`) })
  runtime = testRuntime()
  database = openDatabase<Tables>({ url: store.url, applicationName: 'test', runtime, service: 'payments' })
  unitOfWork = createUnitOfWork({
    database,
    runtime,
    service: 'payments',
    repositories: (db: Kysely<Tables>) => ({ notes: { add: add(db) } }),
  })
  server = await start()
  port = await server.listen('127.0.0.1', 0)
})
afterAll(async () => {
  await server?.close()
  await database?.close()
  await store?.close()
  await rm(folder, { recursive: true })
})
beforeEach(() => {
  calls = 0
  gate = undefined
})

const post = (path: string, text: string, key: string | undefined, { user = 'ada', at = port } = {}): Promise<Reply> =>
  ask(at, path, {
    json: { text },
    headers: { authorization: `Bearer ${user}`, ...(key === undefined ? {} : { 'idempotency-key': key }) },
  })
const notes = async (text: string): Promise<number> =>
  (await store.sql('SELECT 1 FROM notes WHERE text = $1', [text])).length
const outcome = (reply: Reply) => [reply.status, reply.json().code]
const close = (): (() => void) => {
  let open: () => void = () => {}
  gate = new Promise((resolve) => {
    open = resolve
  })
  return open
}

describe('the key itself', () => {
  test.each([undefined, '', 'a b', 'x'.repeat(256), 'ä'])('%j is refused', async (key) => {
    const given = key === 'ä' ? Buffer.from(key).toString('latin1') : key
    expect(outcome(await post('/notes/a', 'no key', given))).toEqual([400, 'idempotency_key_required'])
    expect(calls).toBe(0)
  })

  test('is asked for after the token and before the body is judged', async () => {
    const reply = await ask(port, '/notes/a', { json: { nonsense: 1 }, headers: {} })
    expect(reply.status).toBe(401)
    expect(
      outcome(await ask(port, '/notes/a', { json: { nonsense: 1 }, headers: { authorization: 'Bearer ada' } })),
    ).toEqual([400, 'idempotency_key_required'])
  })

  test('255 visible characters are fine', async () => {
    expect((await post('/notes/a', 'long', `!${'~'.repeat(254)}`)).status).toBe(201)
  })
})

describe('a write of one transaction', () => {
  test('a replay is the same to the byte, and says so', async () => {
    const first = await post('/notes/a', 'once', 'k1')
    const again = await post('/notes/a/', 'once', 'k1')
    expect([again.status, again.text, again.headers.location, again.headers['content-type']]).toEqual([
      201,
      first.text,
      first.headers.location,
      first.headers['content-type'],
    ])
    expect(first.headers['idempotent-replayed']).toBeUndefined()
    expect(again.headers['idempotent-replayed']).toBe('true')
    expect(again.headers['x-request-id']).not.toBe(first.headers['x-request-id'])
    expect(await notes('once')).toBe(1)
  })

  test('the order of members and white space make no other body; another value does', async () => {
    const send = (body: string) =>
      ask(port, '/notes/a', {
        body,
        headers: { authorization: 'Bearer ada', 'idempotency-key': 'k2', 'content-type': 'application/json' },
      })
    expect((await send('{"text":"spelled"}')).status).toBe(201)
    expect((await send('{ "t\\u0065xt" : "spelled" }')).headers['idempotent-replayed']).toBe('true')
    expect(outcome(await send('{"text":"other"}'))).toEqual([422, 'idempotency_key_reused'])
    expect(await notes('other')).toBe(0)
  })

  test('caller, path ids and route have keys of their own', async () => {
    for (const [path, user] of [
      ['/notes/a', 'ada'],
      ['/notes/b', 'ada'],
      ['/notes/a', 'bob'],
    ] as const) {
      expect((await post(path, 'scoped', 'k3', { user })).headers['idempotent-replayed']).toBeUndefined()
    }
    expect((await post('/chores/a', 'scoped', 'k3')).status).toBe(200)
    expect(await notes('scoped')).toBe(3)
    expect((await post('/notes/%61', 'scoped', 'k3')).headers['idempotent-replayed']).toBe('true')
  })

  test('100 at once: one effect, equal answers', async () => {
    const replies = await Promise.all(Array.from({ length: 100 }, () => post('/notes/a', 'crowd', 'k4')))
    const done = replies.filter((reply) => reply.status === 201)
    expect(new Set(done.map((reply) => reply.text)).size).toBe(1)
    expect(replies.every((reply) => reply.status === 201 || reply.json().code === 'request_in_progress')).toBe(true)
    expect([calls, await notes('crowd')]).toEqual([1, 1])
  })

  test('a second one waits for the first, but not for ever', async () => {
    const open = close()
    const first = post('/notes/a', 'waits', 'k5')
    await expect.poll(() => calls).toBe(1)
    const busy = await post('/notes/a', 'waits', 'k5')
    expect(outcome(busy)).toEqual([409, 'request_in_progress'])
    expect(Number(busy.headers['retry-after'])).toBeGreaterThan(0)
    const second = post('/notes/a', 'waits', 'k5')
    open()
    expect((await first).text).toBe((await second).text)
    expect((await second).headers['idempotent-replayed']).toBe('true')
    expect(await notes('waits')).toBe(1)
  })

  test('the time limit of waiting does not stay in the transaction', async () => {
    let limit: unknown
    await runtime.as(() =>
      unitOfWork(async (tx) => {
        await tx.idempotency.reserve({ scope: 'limit', key: 'k', fingerprint: 'f' }, 123)
        limit = (await sql<{ lock_timeout: string }>`SHOW lock_timeout`.execute(tx.db)).rows[0]?.lock_timeout
      }),
    )
    const [usual] = await store.sql<{ lock_timeout: string }>('SHOW lock_timeout')
    expect(limit).toBe(usual?.lock_timeout)
  })

  test.each([
    ['exists', 409],
    ['odd', 422],
    ['later', 202],
  ])('"%s" (%d) is kept', async (text, status) => {
    const first = await post('/notes/a', text, `kept ${text}`.replace(' ', '-'))
    const again = await post('/notes/a', text, `kept-${text}`)
    expect([first.status, again.status, again.text]).toEqual([status, status, first.text])
    expect(again.headers['content-type']).toBe(first.headers['content-type'])
    expect(again.headers['idempotent-replayed']).toBe('true')
    expect(calls).toBe(1)
  })

  test('a 404 is not kept, and what the refusal wrote stays written', async () => {
    expect(outcome(await post('/notes/a', 'absent', 'k6'))).toEqual([404, 'not_found'])
    expect(outcome(await post('/notes/a', 'absent', 'k6'))).toEqual([404, 'not_found'])
    expect([calls, await notes('absent')]).toEqual([2, 2])
  })

  test.each(['crash', 'broken'])('a 500 (%s) leaves neither key nor effect', async (text) => {
    expect((await post('/notes/a', text, `k7-${text}`)).status).toBe(500)
    expect(await notes(text)).toBe(0)
    expect(await store.sql('SELECT 1 FROM idempotency_keys WHERE key = $1', [`k7-${text}`])).toEqual([])
  })

  test('a crash before COMMIT leaves nothing; after it the same key finds the answer', async () => {
    runtime.faults.throwAt('payments.commit.before')
    expect((await post('/notes/a', 'torn', 'k8')).status).toBe(500)
    runtime.faults.clear()
    expect(await notes('torn')).toBe(0)
    runtime.faults.throwAt('payments.commit.after')
    expect((await post('/notes/a', 'torn', 'k8')).status).toBe(500)
    runtime.faults.clear()
    const found = await post('/notes/a', 'torn', 'k8')
    expect([found.status, found.headers['idempotent-replayed'], await notes('torn')]).toEqual([201, 'true', 1])
  })

  test('the store away: 503, and the same key works afterwards', async () => {
    const back = await store.outage()
    const reply = await post('/notes/a', 'away', 'k9')
    expect(outcome(reply)).toEqual([503, 'dependency_unavailable'])
    await back()
    expect((await post('/notes/a', 'away', 'k9')).status).toBe(201)
  })
})

describe('a write that calls out', () => {
  test('holds a lease: others get 409 at once, afterwards the same answer', async () => {
    const open = close()
    const first = post('/chores/1', 'called', 'k1')
    await expect.poll(() => calls).toBe(1)
    const began = performance.now()
    const busy = await post('/chores/1', 'called', 'k1')
    expect(outcome(busy)).toEqual([409, 'request_in_progress'])
    expect(performance.now() - began).toBeLessThan(250)
    expect(outcome(await post('/chores/1', 'another', 'k1'))).toEqual([422, 'idempotency_key_reused'])
    open()
    const again = post('/chores/1', 'called', 'k1')
    expect((await first).status).toBe(200)
    await again
    const replay = await post('/chores/1', 'called', 'k1')
    expect([replay.text, replay.headers['idempotent-replayed']]).toEqual([(await first).text, 'true'])
    expect(calls).toBe(1)
  })

  test('its 202 is not kept, its 409 is', async () => {
    await post('/chores/1', 'unsettled', 'k2')
    expect((await post('/chores/1', 'unsettled', 'k2')).headers['idempotent-replayed']).toBeUndefined()
    expect(calls).toBe(2)
    await post('/chores/1', 'exists', 'k3')
    expect((await post('/chores/1', 'exists', 'k3')).headers['idempotent-replayed']).toBe('true')
    expect(calls).toBe(3)
  })

  test('a throw gives the key back', async () => {
    expect((await post('/chores/1', 'crash', 'k4')).status).toBe(500)
    expect((await post('/chores/1', 'crash', 'k4')).status).toBe(500)
    expect(calls).toBe(2)
  })

  const takeLease = (key: string, owner: string) =>
    runtime.as(() =>
      unitOfWork(async (tx) => {
        const { fingerprint } = await import('./fingerprint.ts')
        const use = { scope: 'ada POST /chores/1', key, fingerprint: fingerprint({ text: 'left' }) }
        return tx.idempotency.acquire(use, { owner, seconds: 30, ownerAlive: () => true }, 300)
      }),
    )

  test('the lease of a process that is gone is void; of one that lives it holds until its time is over', async () => {
    const elsewhere = randomUUID()
    expect(await takeLease('k5', elsewhere)).toEqual({ state: 'reserved' })
    const careful = await start((owner) => owner === elsewhere)
    const at = await careful.listen('127.0.0.1', 0)
    try {
      expect(outcome(await post('/chores/1', 'left', 'k5', { at }))).toEqual([409, 'request_in_progress'])
      await store.sql("UPDATE idempotency_keys SET lease_until = now() - interval '1 second' WHERE key = 'k5'")
      expect((await post('/chores/1', 'left', 'k5', { at })).status).toBe(200)
    } finally {
      await careful.close()
    }
    expect(await takeLease('k6', elsewhere)).toEqual({ state: 'reserved' })
    expect((await post('/chores/1', 'left', 'k6')).status).toBe(200)
  })

  test('20 at once after a lease was left: one takes it over', async () => {
    await takeLease('k7', randomUUID())
    const open = close()
    const replies = Array.from({ length: 20 }, () => post('/chores/1', 'left', 'k7'))
    await expect.poll(() => calls).toBe(1)
    await new Promise((resolve) => setTimeout(resolve, 100))
    open()
    const statuses = (await Promise.all(replies)).map((reply) => reply.status)
    expect(calls).toBe(1)
    expect(statuses.every((status) => status === 200 || status === 409)).toBe(true)
  })
})

test('keys are forgotten after their time, running ones after their lease', async () => {
  const insert = (key: string, age: string, lease: string | null) =>
    store.sql(
      `INSERT INTO idempotency_keys (scope, key, fingerprint, state, created_at, lease_until)
       VALUES ('prune', $1, 'f', 'done', now() - $2::interval, now() + $3::interval)`,
      [key, age, lease],
    )
  await insert('young', '71 hours', null)
  await insert('old', '73 hours', null)
  await insert('held', '73 hours', '10 seconds')
  await insert('left', '73 hours', '-10 seconds')
  expect(await pruneIdempotencyKeys(database.db)).toBe(2)
  const left = await store.sql<{ key: string }>("SELECT key FROM idempotency_keys WHERE scope = 'prune' ORDER BY key")
  expect(left.map(({ key }) => key)).toEqual(['held', 'young'])
})
