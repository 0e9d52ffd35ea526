import { randomUUID } from 'node:crypto'
import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { hash } from '@node-rs/bcrypt'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Instance, until } from './support/instance.ts'
import { call, newAdministrator, newPayment, processPayment, signIn } from './support/person.ts'

let instance: Instance

beforeAll(async () => {
  instance = await Instance.create({ ASHLAR_LOG_LEVEL: 'warn' })
  await instance.start()
})

afterAll(() => instance.remove())

type Report = { healthy: boolean; checks: { name: string; grade: string; detail: string }[] }

const doctor = async (...options: string[]): Promise<Report & { code: number }> => {
  const { code, stdout } = await instance.command(['doctor', '--json', ...options])
  return { code, ...(JSON.parse(stdout) as Report) }
}

test('the doctor finds nothing to mend in a development that runs', async () => {
  await newAdministrator(instance)
  const { code, healthy, checks } = await doctor()
  expect([code, healthy, checks.filter(({ grade }) => grade === 'fail')]).toEqual([0, true, []])
})

test('for production the same set-up is not fit, and every reason is told', async () => {
  const { code, checks } = await doctor('--production')
  expect(code).toBe(1)
  const failed = checks.filter(({ grade }) => grade === 'fail').map(({ name, detail }) => `${name}: ${detail}`)
  for (const reason of ['ASHLAR_MAIL_URL', 'ASHLAR_RATE_LIMIT_ENABLED', 'not https', 'provider_not_configured'])
    expect(failed.some((line) => line.includes(reason))).toBe(true)
})

test('a forwarder that is not listed, and keys that others may read, are found', async () => {
  await call(instance, 'GET', '/livez', { headers: { 'x-forwarded-for': '203.0.113.7' } })
  await chmod(join(instance.dataDir, 'keys/master'), 0o644)
  const found = await until('the findings', async () => {
    const { checks } = await doctor()
    const failed = checks.filter(({ grade }) => grade === 'fail')
    return failed.length >= 2 ? failed : undefined
  })
  await chmod(join(instance.dataDir, 'keys/master'), 0o600)
  expect(found.map(({ name }) => name)).toEqual(['keys', 'untrusted forwarder'])
})

test('people come with the bcrypt hashes they have, and are rehashed when they sign in', async () => {
  const email = `imported.${randomUUID()}@example.com`
  const password = 'brought along from elsewhere'
  const file = join(instance.dataDir, 'people.ndjson')
  const lines = [
    JSON.stringify({ email, passwordHash: await hash(password, { cost: 6 }), emailVerified: true }),
    'no JSON at all',
    JSON.stringify({ email: `slow.${randomUUID()}@example.com`, passwordHash: `$2b$31$${'a'.repeat(53)}` }),
  ]
  await writeFile(file, `${lines.join('\n')}\n`)
  const { code, stdout } = await instance.command(['users', 'import', file, '--json'])
  const { imported, refused } = JSON.parse(stdout) as { imported: number; refused: { line: number }[] }
  expect([code, imported, refused.map(({ line }) => line)]).toEqual([1, 1, [2, 3]])
  for (let round = 0; round < 2; round++) expect((await signIn(instance, email, password)).email).toBe(email)
  expect(JSON.parse((await instance.command(['users', 'import', file, '--json'])).stdout)).toMatchObject({
    imported: 0,
  })
})

test('the ledger balances, and says so in words', async () => {
  const person = await newAdministrator(instance)
  await processPayment(instance, person, await newPayment(instance, person, '12.34'))
  const { code, stdout } = await instance.command(['ledger', 'verify'])
  expect([code, stdout]).toEqual([0, expect.stringContaining('EUR')])
})

test('a message that needs no second try is not sent again', async () => {
  const { code, stderr } = await instance.command(['notifications', 'resend', randomUUID()])
  expect([code, stderr]).toEqual([1, expect.stringContaining('not_found')])
})
