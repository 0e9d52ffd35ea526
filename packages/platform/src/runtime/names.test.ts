import { expect, test } from 'vitest'
import { createNames } from './names.ts'

test('the default tenant leaves no trace in names', () => {
  const names = createNames('ashlar', 'default')
  expect(names.database('auth')).toBe('ashlar_auth')
  expect(names.role('changes')).toBe('ashlar_changes')
  expect(names.publication).toBe('ashlar_audit')
  expect(names.source('payments')).toBe('/ashlar/default/payments')
  expect(names.slot('auth')).toMatch(/^[a-z0-9_]{1,63}$/)
})

test('no two installations or tenants share a name or a lock', () => {
  const all = [
    createNames('ashlar', 'default'),
    createNames('ashlar', 'blue'),
    createNames('other', 'default'),
    createNames('other', 'blue'),
  ].flatMap((names) => [
    names.database('auth'),
    names.slot('auth'),
    names.publication,
    names.source('auth'),
    names.lock('relay/auth').toString(),
    names.lock('relay/audit').toString(),
  ])
  expect(new Set(all).size).toBe(all.length)
})

test('a lock key fits into the 64 signed bits that PostgreSQL has', () => {
  for (const purpose of ['a', 'b', 'c', 'd']) {
    const key = createNames('ashlar', 'default').lock(purpose)
    expect(BigInt.asIntN(64, key)).toBe(key)
  }
})

test.each(['', 'Ashlar', 'a-b', '1a', 'a'.repeat(22), 'a"b'])('%j is refused as a name', (name) => {
  expect(() => createNames(name, 'default')).toThrow()
  expect(() => createNames('ashlar', name)).toThrow()
})
