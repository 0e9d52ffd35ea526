import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Instance } from '../support/instance.ts'

const SERVICES = ['auth', 'payments', 'notifications', 'audit', 'sandbox']

let instance: Instance
let admin: pg.Client

beforeAll(async () => {
  instance = await Instance.create({ ASHLAR_LOG_LEVEL: 'error' })
  await instance.start()
  admin = new pg.Client({ connectionString: await instance.databaseUrl('auth') })
  await admin.connect()
})

afterAll(async () => {
  await admin.end()
  await instance.remove()
})

/** Pairs of a service's role and another service's database that it could enter. */
const openDoors = async (): Promise<string[]> => {
  const { rows } = await admin.query<{ role: string; database: string }>(
    `SELECT r.rolname AS role, d.datname AS database FROM pg_roles r, pg_database d
     WHERE r.rolname = ANY ($1) AND d.datname = ANY ($1) AND r.rolname <> d.datname
       AND has_database_privilege(r.rolname, d.datname, 'CONNECT')`,
    [SERVICES.map((service) => `ashlar_${service}`)],
  )
  return rows.map(({ role, database }) => `${role} → ${database}`)
}

test('no service can enter the database of another one', async () => {
  expect(await openDoors()).toEqual([])
})

test('a door that is left open is noticed', async () => {
  await admin.query('GRANT CONNECT ON DATABASE ashlar_payments TO ashlar_auth')
  expect(await openDoors()).toEqual(['ashlar_auth → ashlar_payments'])
  await admin.query('REVOKE CONNECT ON DATABASE ashlar_payments FROM ashlar_auth')
})

test('a service can neither change its schema nor loosen what is captured', async () => {
  for (const statement of [
    'ALTER TABLE users REPLICA IDENTITY NOTHING',
    'ALTER TABLE users DISABLE TRIGGER ALL',
    'DROP PUBLICATION ashlar_audit',
    'DROP TABLE users',
  ]) {
    await admin.query('BEGIN')
    await admin.query('SET LOCAL ROLE ashlar_auth')
    await expect(admin.query(statement)).rejects.toThrow(/must be owner|permission denied/)
    await admin.query('ROLLBACK')
  }
})
