import { createUnitOfWork, type Database, openDatabase } from '@ashlar/platform/postgres'
import { type TestDatabase, testDatabase, testRuntime } from '@ashlar/platform/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { authMigrations } from '../index.ts'
import { createHashKinds, forgetUnusedKinds } from './hash-kinds.ts'
import type { AuthTables } from './postgres/tables.ts'

const OWN = 'argon2id/19456/2/1'
const HOUR = 3_600_000
const BCRYPT = `$2b$10$${'a'.repeat(21)}u${'b'.repeat(30)}u`
const ARGON = `$argon2id$v=19$m=1024,t=1,p=1$c29tZXNhbHQ$${'A'.repeat(43)}`

const runtime = testRuntime()
let store: TestDatabase
let database: Database<AuthTables>
beforeAll(async () => {
  store = await testDatabase('auth', authMigrations)
  database = openDatabase<AuthTables>({ url: store.url, applicationName: 'test', runtime, service: 'auth' })
})
afterAll(async () => {
  await database.close()
  await store.close()
})

const sweep = () =>
  runtime.as(() =>
    createUnitOfWork({ database, runtime, service: 'auth', repositories: () => ({}) })(({ db }) =>
      forgetUnusedKinds(runtime.clock.now()).execute(db),
    ),
  )
const names = async (): Promise<string[]> => {
  const kinds = createHashKinds(database.db)
  await kinds.reload()
  return [...kinds.decoys().keys()]
}

test('ours is always among them, and a kind lasts as long as a hash of it is stored', async () => {
  expect(await names()).toEqual([OWN])
  const now = runtime.clock.now()
  for (const prefix of ['$2a$10$', '$2b$10$', '$2y$04$', '$argon2id$v=19$m=1024,t=1,p=1$', 'nonsense']) {
    await store.sql('INSERT INTO password_hash_kinds VALUES ($1, $2)', [prefix, now])
  }
  // Two versions of bcrypt at one cost cost the same.
  expect((await names()).sort()).toEqual(['argon2id/1024/1/1', OWN, 'bcrypt/10', 'bcrypt/4'])

  for (const [id, name] of [
    ['00000000-0000-7000-8000-000000000001', 'ada'],
    ['00000000-0000-7000-8000-000000000002', 'bob'],
  ]) {
    await store.sql('INSERT INTO users (id, email, created_at, updated_at) VALUES ($1, $2, now(), now())', [
      id,
      `${name}@example.test`,
    ])
  }
  await store.sql('INSERT INTO credentials VALUES ($1, $2, now())', ['00000000-0000-7000-8000-000000000001', BCRYPT])
  await store.sql(
    `INSERT INTO registrations (id, user_id, link_hash, password_hash, created_at, expires_at)
     VALUES (gen_random_uuid(), $1, 'link', $2, now(), now())`,
    ['00000000-0000-7000-8000-000000000002', ARGON],
  )
  // An import that is still under way has written its kind before its hashes.
  runtime.clock.advance(HOUR - 1)
  await sweep()
  expect((await names()).length).toBe(4)
  runtime.clock.advance(1)
  await sweep()
  expect((await names()).sort()).toEqual(['argon2id/1024/1/1', OWN, 'bcrypt/10'])

  await store.sql('UPDATE credentials SET password_hash = $1', [
    '$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$c29tZWhhc2g',
  ])
  await store.sql('DELETE FROM registrations')
  await sweep()
  expect(await names()).toEqual([OWN])
})

test('decoys stay the same while their kind does, and no two kinds share one', async () => {
  await store.sql('INSERT INTO password_hash_kinds VALUES ($1, now())', ['$2b$06$'])
  const kinds = createHashKinds(database.db)
  await kinds.reload()
  const before = [...kinds.decoys()]
  await kinds.reload()
  expect([...kinds.decoys()]).toEqual(before)
  expect(new Set(before.map(([, decoy]) => decoy)).size).toBe(2)
})
