import { expect, test } from 'vitest'
import { clientOf } from './address.ts'

test.each([
  ['192.0.2.7', '192.0.2.7', '192.0.2.7', false],
  ['::ffff:192.0.2.7', '192.0.2.7', '192.0.2.7', false],
  ['127.0.0.9', '127.0.0.9', '127.0.0.9', true],
  ['::ffff:127.0.0.1', '127.0.0.1', '127.0.0.1', true],
  ['::1', '::1', '0:0:0:0::/64', true],
  ['2001:db8:a:b:1:2:3:4', '2001:db8:a:b:1:2:3:4', '2001:db8:a:b::/64', false],
  ['2001:0db8:000a:000b::4', '2001:0db8:000a:000b::4', '2001:db8:a:b::/64', false],
  ['2001:db8::4', '2001:db8::4', '2001:db8:0:0::/64', false],
  ['fe80::1%eth0', 'fe80::1%eth0', 'fe80:0:0:0::/64', false],
  ['64:ff9b::192.0.2.7', '64:ff9b::192.0.2.7', '64:ff9b:0:0::/64', false],
])('%s is %s of %s', (text, address, network, loopback) =>
  expect(clientOf(text)).toEqual({ address, network, loopback }),
)

test('two addresses of one /64 count as one, of two not', () => {
  expect(clientOf('2001:db8:1:2::a').network).toBe(clientOf('2001:db8:1:2:ffff::b').network)
  expect(clientOf('2001:db8:1:2::a').network).not.toBe(clientOf('2001:db8:1:3::a').network)
})

test('a connection that is gone already is nobody, and not from here', () => {
  expect(clientOf(undefined)).toEqual({ address: '', network: 'unknown', loopback: false })
})
