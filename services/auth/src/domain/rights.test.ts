import { expect, test } from 'vitest'
import {
  ADMINISTRATOR_PERMISSIONS,
  covers,
  fitsToken,
  keepsItsPurpose,
  movedByAssignment,
  movedByChange,
  type Role,
  sizeOf,
} from './rights.ts'

const at = new Date('2026-11-21T12:00:00Z')
const role = (name: string, ...permissions: string[]): Role => ({
  name,
  permissions,
  builtIn: false,
  createdAt: at,
  updatedAt: at,
})
const holder = (...permissions: string[]) => ({ roles: ['user'], permissions })

test('nobody moves what he does not hold; an administrator moves what nobody holds yet', () => {
  expect(covers(holder('a:b'), { roles: ['x'], permissions: ['a:b'] })).toBe(true)
  expect(covers(holder('a:b'), { roles: ['x'], permissions: ['a:b', 'a:c'] })).toBe(false)
  expect(covers(holder(), { roles: ['x'], permissions: [] })).toBe(true)
  expect(covers({ roles: ['admin'], permissions: [] }, { roles: ['admin'], permissions: ['new:one'] })).toBe(true)
})

test('holding every permission of an administrator is not being one', () => {
  expect(covers(holder(...ADMINISTRATOR_PERMISSIONS), { roles: ['admin'], permissions: [] })).toBe(false)
})

test('an addition moves what it adds, a removal everything that its owner has', () => {
  const before = { roles: ['user', 'support'], permissions: ['a:b', 'a:c'] }
  expect(movedByAssignment(before, [role('user'), role('support', 'a:b'), role('extra', 'a:d')])).toEqual({
    roles: ['extra'],
    permissions: ['a:d'],
  })
  expect(movedByAssignment(before, [role('support', 'a:b')])).toEqual({
    roles: ['user', 'support'],
    permissions: ['a:b', 'a:c'],
  })
  expect(movedByAssignment(before, [role('support', 'a:b'), role('user')])).toEqual({ roles: [], permissions: [] })
})

test('a change of a role moves what differs', () => {
  expect(movedByChange(role('r', 'a:b', 'a:c'), ['a:c', 'a:d'])).toEqual({ roles: ['r'], permissions: ['a:d', 'a:b'] })
})

test('admin may gain and never lose what it needs', () => {
  expect(keepsItsPurpose({ name: 'admin' }, [...ADMINISTRATOR_PERMISSIONS, 'orders:read'])).toBe(true)
  expect(keepsItsPurpose({ name: 'admin' }, ADMINISTRATOR_PERMISSIONS.slice(1))).toBe(false)
  expect(keepsItsPurpose({ name: 'support' }, [])).toBe(true)
})

test('what fits a token leaves room for the rest of it within its 8 KiB', () => {
  const longest = Array.from({ length: 1_000 }, (_, i) => `area-${i}:action-${i}`)
  const fitting = longest.filter((_, i) => fitsToken(sizeOf(longest.slice(0, i + 1))))
  const payload = {
    iss: 'https://identity.a-rather-long-name-of-a-company.example.com',
    email: `${'x'.repeat(64)}@${'y'.repeat(180)}.example`,
    roles: Array.from({ length: 20 }, () => 'r'.repeat(63)),
    permissions: fitting,
    rest: 'z'.repeat(400),
  }
  expect(Math.ceil((JSON.stringify(payload).length * 4) / 3) + 250).toBeLessThan(8_192)
})
