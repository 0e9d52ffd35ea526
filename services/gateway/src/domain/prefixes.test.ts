import { expect, test } from 'vitest'
import { placeOf } from './prefixes.ts'

test.each([
  ['/payments/webhooks/sandbox', { upstream: 'payments', unlimited: true, importance: 'last' }],
  ['/payments/webhooks', { upstream: 'payments', importance: 'last' }],
  ['/payments', { upstream: 'payments', importance: 'last' }],
  ['/auth/login', { upstream: 'auth', importance: 'usual', secrets: true }],
  ['/users/1', { upstream: 'auth', importance: 'usual' }],
  ['/health/auth', { upstream: 'gateway', unlimited: true, importance: 'always' }],
  ['/dev/mailbox', { upstream: 'gateway', unlimited: true, loopbackOnly: true, importance: 'usual', secrets: true }],
  ['/authors', undefined],
  ['/realtime', undefined],
  ['/console', undefined],
])('%s belongs to %j', (path, place) => {
  expect(placeOf(path)).toEqual(place)
})
