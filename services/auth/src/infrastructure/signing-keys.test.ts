import { createUnitOfWork, type Database, openDatabase } from '@ashlar/platform/postgres'
import { type TestDatabase, type TestRuntime, testDatabase, testRuntime } from '@ashlar/platform/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { authMigrations } from '../index.ts'
import type { AuthTables } from './postgres/tables.ts'
import { openSigningKeys } from './signing-keys.ts'

let store: TestDatabase
let runtime: TestRuntime
let database: Database<AuthTables>
beforeAll(async () => {
  store = await testDatabase('auth', authMigrations)
  runtime = testRuntime()
  database = openDatabase({ url: store.url, applicationName: 'test', runtime, service: 'auth' })
})
afterAll(async () => {
  await database.close()
  await store.close()
})

const open = () => {
  const unitOfWork = createUnitOfWork({ database, runtime, service: 'auth', repositories: () => ({}) })
  return runtime.as(() => openSigningKeys({ db: database.db, unitOfWork, ...runtime }))
}

test('processes that start together for the first time agree on one key', async () => {
  const opened = await Promise.all(Array.from({ length: 5 }, open))
  const now = runtime.clock.now()
  expect(new Set(opened.map((keys) => keys.current(now).kid)).size).toBe(1)
  expect(await store.sql('SELECT FROM signing_keys')).toHaveLength(1)
})

test('the private part is stored only under the master key, and published never', async () => {
  const keys = await open()
  const now = runtime.clock.now()
  const [row] = await store.sql<{ private_sealed: Buffer; public_jwk: object }>('SELECT * FROM signing_keys')
  expect(row?.private_sealed.toString('latin1')).not.toContain('"d"')
  expect(Object.keys(row?.public_jwk ?? {}).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
  expect(keys.jwks(now).keys).toEqual([row?.public_jwk])
})

test('a key is published before it signs, and until it expires', async () => {
  const keys = await open()
  const first = keys.current(runtime.clock.now()).kid
  const later = new Date(runtime.clock.now().getTime() + 60_000)
  // A second key as a rotation would make it: sealed under its own kid, so taken from a store of its own.
  const other = await testDatabase('auth', authMigrations)
  const otherDatabase = openDatabase<AuthTables>({ url: other.url, applicationName: 'test', runtime, service: 'auth' })
  try {
    const unitOfWork = createUnitOfWork({ database: otherDatabase, runtime, service: 'auth', repositories: () => ({}) })
    await runtime.as(() => openSigningKeys({ db: otherDatabase.db, unitOfWork, ...runtime }))
    const [row] = await other.sql<AuthTables['signing_keys'] & { public_jwk: object }>('SELECT * FROM signing_keys')
    await store.sql('INSERT INTO signing_keys VALUES ($1, $2, $3, $4, $5, NULL, $5)', [
      row?.kid,
      'ES256',
      JSON.stringify(row?.public_jwk),
      row?.private_sealed,
      later,
    ])
    await store.sql('UPDATE signing_keys SET expires_at = $2 WHERE kid = $1', [
      first,
      new Date(later.getTime() + 1_000),
    ])
    await keys.reload()
    expect(keys.current(runtime.clock.now()).kid).toBe(first)
    expect(keys.jwks(runtime.clock.now()).keys).toHaveLength(2)
    expect(keys.current(later).kid).toBe(row?.kid)
    expect(keys.jwks(new Date(later.getTime() + 1_000)).keys.map(({ kid }) => kid)).toEqual([row?.kid])
  } finally {
    await otherDatabase.close()
    await other.close()
  }
})
