import { createMetrics } from '@ashlar/platform/telemetry'
import { beforeAll, expect, test } from 'vitest'
import type { Passwords } from '../application/ports.ts'
import { createArgon2Passwords } from './argon2-passwords.ts'
import { createHashQueue } from './hash-queue.ts'

let passwords: Passwords
beforeAll(async () => {
  const metrics = createMetrics({ service: 'test' })
  passwords = await createArgon2Passwords(createHashQueue({ concurrency: 2, maxWaiting: 10, metrics }))
})

const hashOf = async (password: string): Promise<string> => {
  const hashed = await passwords.hash(password)
  if (!hashed.ok) throw new Error(hashed.error)
  return hashed.value
}

test('hashes are argon2id with 19 MiB, two passes and one lane, each with a salt of its own', async () => {
  const [one, two] = await Promise.all([hashOf('the same'), hashOf('the same')])
  expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  expect(one).not.toBe(two)
  expect(await passwords.verify(one, 'the same')).toEqual({ ok: true, value: true })
  expect(await passwords.verify(one, 'not the same')).toEqual({ ok: true, value: false })
})

test('every character counts, far beyond where others cut', async () => {
  const long = 'x'.repeat(127)
  const hash = await hashOf(`${long}a`)
  expect(await passwords.verify(hash, `${long}b`)).toEqual({ ok: true, value: false })
  expect(await passwords.verify(hash, `${long}a`)).toEqual({ ok: true, value: true })
})

test('no account is true for no password', async () => {
  for (const password of ['', 'anything'])
    expect(await passwords.verify(undefined, password)).toEqual({ ok: true, value: false })
})
