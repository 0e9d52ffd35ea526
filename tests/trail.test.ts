import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Instance, until } from './support/instance.ts'
import { call, newAdministrator, newPayment, newPerson, type Person, processPayment } from './support/person.ts'

let instance: Instance
let administrator: Person
let person: Person
let payment: string

beforeAll(async () => {
  instance = await Instance.create({ ASHLAR_LOG_LEVEL: 'warn' })
  await instance.start()
  administrator = await newAdministrator(instance)
  person = await newPerson(instance)
  payment = await newPayment(instance, person)
  await processPayment(instance, person, payment)
})

afterAll(() => instance.remove())

const sql = async <R extends pg.QueryResultRow>(
  database: string,
  statement: string,
  values: unknown[] = [],
): Promise<R[]> => {
  const client = new pg.Client({ connectionString: await instance.databaseUrl(database) })
  await client.connect()
  try {
    return (await client.query<R>(statement, values)).rows
  } finally {
    await client.end()
  }
}

type Entry = {
  chain: string
  sequence: number
  action: string
  actor: { type: string; id: string }
  changed: string[]
  source: { table: string | null }
  after: Record<string, unknown> | null
}

const timeline = async (entity: string, id: string): Promise<Entry[]> =>
  (await call(instance, 'GET', `/audit/timeline/${entity}/${id}?limit=100`, { token: administrator.accessToken })).body
    .data as Entry[]

const verify = async (): Promise<{
  code: number
  valid: boolean
  firstBad: { chain: string; sequence: number; reason: string } | null
}> => {
  const { code, stdout } = await instance.command(['audit', 'verify', '--json'])
  return { code, ...(JSON.parse(stdout) as { valid: boolean; firstBad: null }) }
}

test('a payment tells its whole story, with who did it', async () => {
  const told = await until('the story', async () => {
    const entries = (await timeline('payment', payment)).filter(({ source }) => source.table === 'payments')
    return entries.at(-1)?.after?.status === 'completed' ? entries : undefined
  })
  expect(told[0]).toMatchObject({ action: 'insert', actor: { type: 'user', id: person.userId } })
  expect(told.map(({ after }) => after?.status)).toEqual(['pending', 'processing', 'completed'])
})

test('an UPDATE by hand shows with the database role as actor', async () => {
  const role = new URL(await instance.databaseUrl('auth')).username
  await sql('auth', `UPDATE users SET first_name = 'Mallory' WHERE id = $1`, [person.userId])
  const entry = await until('the entry', async () =>
    (await timeline('user', person.userId)).find(({ actor }) => actor.type === 'database'),
  )
  expect(entry).toMatchObject({ action: 'update', actor: { type: 'database', id: role } })
  expect(entry.changed).toContain('first_name')
})

test('a person sees the own timeline and nobody else’s', async () => {
  const own = await call(instance, 'GET', `/audit/timeline/user/${person.userId}`, { token: person.accessToken })
  expect(own.status).toBe(200)
  const other = await call(instance, 'GET', `/audit/timeline/user/${administrator.userId}`, {
    token: person.accessToken,
  })
  expect([403, 404]).toContain(other.status)
  expect((await call(instance, 'GET', '/audit/entries', { token: person.accessToken })).status).toBe(403)
})

test('edits, deletions and truncation of stored entries are named', async () => {
  await until('a whole trail', async () => ((await verify()).valid ? true : undefined))
  const [head] = await sql<{ chain: string; last: number }>(
    'audit',
    `SELECT chain, max(sequence)::int AS last FROM entries WHERE chain = 'auth' GROUP BY chain`,
  )
  const last = head?.last ?? 0
  expect(last).toBeGreaterThan(3)

  const tampered = async (statement: string): Promise<unknown> => {
    // In a copy of the table, put back afterwards: each kind is looked at by itself.
    await sql('audit', `CREATE TABLE kept AS SELECT * FROM entries WHERE chain = 'auth'`)
    await sql('audit', statement)
    const { code, valid, firstBad } = await verify()
    await sql('audit', `DELETE FROM entries WHERE chain = 'auth'`)
    await sql('audit', 'INSERT INTO entries OVERRIDING SYSTEM VALUE SELECT * FROM kept').catch(() =>
      sql('audit', 'INSERT INTO entries SELECT * FROM kept'),
    )
    await sql('audit', 'DROP TABLE kept')
    expect([code, valid]).toEqual([1, false])
    return { chain: firstBad?.chain, sequence: firstBad?.sequence }
  }
  expect(await tampered(`UPDATE entries SET entity_id = 'x' WHERE chain = 'auth' AND sequence = 2`)).toEqual({
    chain: 'auth',
    sequence: 2,
  })
  expect(await tampered(`DELETE FROM entries WHERE chain = 'auth' AND sequence = 3`)).toEqual({
    chain: 'auth',
    sequence: 3,
  })
  expect(await tampered(`DELETE FROM entries WHERE chain = 'auth' AND sequence = ${last}`)).toEqual({
    chain: 'auth',
    sequence: last,
  })
  expect((await verify()).valid).toBe(true)
})

test('an export verifies offline, and an altered one is caught', async () => {
  const { readFile, writeFile } = await import('node:fs/promises')
  const file = `${instance.dataDir}/trail.ndjson`
  expect((await instance.command(['audit', 'export', file])).code).toBe(0)
  expect((await instance.command(['audit', 'verify', '--export', file])).code).toBe(0)
  const lines = (await readFile(file, 'utf8')).split('\n')
  const target = lines.findIndex((line) => line.includes('"completed"'))
  lines[target] = lines[target]?.replace('"completed"', '"refunded"') ?? ''
  await writeFile(file, lines.join('\n'))
  const altered = await instance.command(['audit', 'verify', '--export', file])
  expect(altered.code).toBe(1)
})

test('a dropped slot gives a gap record, an alarm and not-ready, then a new snapshot', async () => {
  const [row] = await sql<{ slot_name: string }>(
    'payments',
    `SELECT slot_name FROM pg_replication_slots WHERE database = current_database()`,
  )
  const slot = row?.slot_name
  const statuses: number[] = []
  const watch = setInterval(() => {
    call(instance, 'GET', '/readyz').then(
      ({ status }) => statuses.push(status),
      () => {},
    )
  }, 20)
  // The reader is back within milliseconds, so both statements go out on one connection until they hit the gap.
  const client = new pg.Client({ connectionString: await instance.databaseUrl('payments') })
  await client.connect()
  await until('the slot to be gone', async () => {
    await client.query('SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1', [slot])
    await client.query('SELECT pg_drop_replication_slot($1)', [slot])
    return true
  })
  await client.end()
  const gap = await until('the gap record', async () => {
    const { body } = await call(instance, 'GET', '/audit/entries?action=gap', { token: administrator.accessToken })
    return (body.data as Entry[]).find(({ chain }) => chain === 'payments')
  })
  expect(gap.sequence).toBeGreaterThan(0)
  await until('the snapshot', async () => {
    const entries = await timeline('payment', payment)
    return entries.at(-1)?.action === 'snapshot' ? true : undefined
  })
  await until('readiness', async () => ((await call(instance, 'GET', '/readyz')).status === 200 ? true : undefined))
  clearInterval(watch)
  expect(statuses).toContain(503)
  const metrics = (await call(instance, 'GET', '/metrics')).body.text as string
  expect(metrics).toMatch(/^audit_gaps_total\{[^}]*\} [1-9]/m)

  const later = await newPayment(instance, person)
  await until('capture after the gap', async () => ((await timeline('payment', later)).length > 0 ? true : undefined))
  expect((await verify()).valid).toBe(true)
})
