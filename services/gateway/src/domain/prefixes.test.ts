import { expect, test } from 'vitest'
import { placeOf } from './prefixes.ts'

test.each([
  ['/payments/webhooks/sandbox', { upstream: 'payments', unlimited: true }],
  ['/payments/webhooks', { upstream: 'payments' }],
  ['/payments', { upstream: 'payments' }],
  ['/authors', undefined],
  ['/dev/mailbox', { upstream: 'gateway', unlimited: true, loopbackOnly: true }],
])('%s belongs to %j', (path, place) => {
  expect(placeOf(path)).toEqual(place)
})
