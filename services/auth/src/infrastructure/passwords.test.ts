import { createMetrics } from '@ashlar/platform/telemetry'
import { hash as argon2Hash } from '@node-rs/argon2'
import { hash as bcryptHash } from '@node-rs/bcrypt'
import { beforeEach, expect, test } from 'vitest'
import type { Passwords } from '../application/ports.ts'
import { readPasswordHash } from '../domain/password-hash.ts'
import { createHashKinds, type HashKinds } from './hash-kinds.ts'
import { createHashQueue, type HashQueue } from './hash-queue.ts'
import { createPasswords, matchesHash } from './passwords.ts'

let kinds: HashKinds
let queue: HashQueue
let passwords: Passwords
beforeEach(() => {
  const metrics = createMetrics({ service: 'test' })
  // Nothing is read before `reload`, so no database is needed.
  kinds = createHashKinds(undefined as never)
  queue = createHashQueue({ concurrency: 2, maxWaiting: 10, maxWaitMs: 60_000, metrics })
  passwords = createPasswords(queue, kinds)
})

const hashOf = async (password: string): Promise<string> => {
  const hashed = await passwords.hash(password)
  if (!hashed.ok) throw new Error(hashed.error)
  return hashed.value
}
const right = { ok: true, value: true }
const wrong = { ok: true, value: false }

test('hashes are argon2id with 19 MiB, two passes and one lane, each with a salt of its own', async () => {
  const [one, two] = await Promise.all([hashOf('the same'), hashOf('the same')])
  expect(one).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/)
  expect(one).not.toBe(two)
  expect(await passwords.verify(one, 'the same')).toEqual(right)
  expect(await passwords.verify(one, 'not the same')).toEqual(wrong)
  expect(passwords.isWeak(one)).toBe(false)
})

test('every character counts, far beyond where others cut', async () => {
  const long = 'x'.repeat(127)
  const hash = await hashOf(`${long}a`)
  expect(await passwords.verify(hash, `${long}b`)).toEqual(wrong)
  expect(await passwords.verify(hash, `${long}a`)).toEqual(right)
})

test('no account is true for no password', async () => {
  for (const password of ['', 'anything']) expect(await passwords.verify(undefined, password)).toEqual(wrong)
})

test.each(['2a', '2b', '2y'] as const)('a bcrypt hash of version %s is checked, and weak', async (version) => {
  const hash = await bcryptHash('an old password', { cost: 5, version })
  expect(await passwords.verify(hash, 'an old password')).toEqual(right)
  expect(await passwords.verify(hash, 'another password')).toEqual(wrong)
  expect(passwords.isWeak(hash)).toBe(true)
})

test('bcrypt is never right by the beginning of a password', async () => {
  const cut = 'é'.repeat(36)
  const hash = await bcryptHash(`${cut} and what bcrypt does not read`, { cost: 4 })
  expect(await passwords.verify(hash, cut)).toEqual(right)
  expect(await passwords.verify(hash, `${cut} and something else`)).toEqual(wrong)
  expect(await passwords.verify(hash, `${cut}x`)).toEqual(wrong)
})

test('bcrypt is never right by a repetition around a zero byte', async () => {
  const hash = await bcryptHash('again', { cost: 4 })
  expect(await passwords.verify(hash, 'again\0again')).toEqual(wrong)
  expect(await passwords.verify(hash, 'again')).toEqual(right)
})

test('an argon2id hash of fewer passes is right and weak, a dearer one is right and stays', async () => {
  const options = { memoryCost: 4_096, parallelism: 1, algorithm: 2 }
  const weak = await argon2Hash('an old password', { ...options, timeCost: 3 })
  const dear = await argon2Hash('an old password', { ...options, timeCost: 10 })
  for (const hash of [weak, dear]) expect(await passwords.verify(hash, 'an old password')).toEqual(right)
  expect([passwords.isWeak(weak), passwords.isWeak(dear)]).toEqual([true, false])
})

test.each([
  ['too costly', `$2b$31$${'a'.repeat(21)}u${'a'.repeat(31)}`],
  ['too costly for memory', `$argon2id$v=19$m=4194304,t=100,p=1$c29tZXNhbHQ$${'A'.repeat(43)}`],
  ['no hash at all', 'plain text password'],
])('a stored hash that is %s is not evaluated', async (_, hash) => {
  const began = performance.now()
  expect(await passwords.verify(hash, 'plain text password')).toEqual(wrong)
  expect(performance.now() - began).toBeLessThan(2_000)
  expect(passwords.isWeak(hash)).toBe(false)
})

test('a wrong password is checked against every kind that is stored, a right one once', async () => {
  const [bcrypt, argon] = [await bcryptHash('right', { cost: 6 }), await hashOf('right')]
  expect([...kinds.decoys().keys()]).toEqual(['argon2id/19456/2/1'])
  await passwords.verify(bcrypt, 'wrong')
  expect([...kinds.decoys().keys()]).toEqual(['argon2id/19456/2/1', 'bcrypt/6'])
  for (const decoy of kinds.decoys().values()) {
    expect(await passwords.verify(decoy, 'right')).toEqual(wrong)
    // A decoy that the library refuses to look at would cost nothing, and tell.
    expect(readPasswordHash(decoy).ok).toBe(true)
  }

  const checked: string[] = []
  const counted = createPasswords(queue, kinds, (text, password) => {
    checked.push(text.slice(0, 7))
    return matchesHash(text, password)
  })
  const kindsChecked = async (hash: string | undefined, password: string): Promise<string[]> => {
    checked.length = 0
    await counted.verify(hash, password)
    return checked.toSorted()
  }
  const everyKind = await kindsChecked(undefined, 'wrong')
  expect(everyKind).toEqual([expect.stringContaining('$2b$06'), '$argon2'])
  expect(await kindsChecked(argon, 'wrong')).toEqual(everyKind)
  expect(await kindsChecked(bcrypt, 'wrong')).toEqual(everyKind)
  expect(await kindsChecked(bcrypt, 'right')).toHaveLength(1)
  expect(await kindsChecked(argon, 'right')).toHaveLength(1)
})
