import { expect, test } from 'vitest'
import { networkOf } from './network.ts'

test.each([
  ['192.0.2.7', '192.0.2'],
  ['192.0.2.200', '192.0.2'],
  ['::ffff:192.0.2.7', '192.0.2'],
  ['::FFFF:c000:0207', '192.0.2'],
  ['2001:db8:a:b:1:2:3:4', '2001:db8:a:b'],
  ['2001:0db8:000A:000b::4', '2001:db8:a:b'],
  ['2001:db8::4', '2001:db8:0:0'],
  ['::1', '0:0:0:0'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  ['64:ff9b:1:2::192.0.2.7', '64:ff9b:1:2'],
  [null, 'none'],
  ['', ''],
  ['not an address', 'not an address'],
  ['1:2:3', '1:2:3'],
  ['1::2::3', '1::2::3'],
  ['1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7:8:9'],
  ['12345::', '12345::'],
])('%s is of the network %s', (ip, network) => {
  expect(networkOf(ip)).toBe(network)
})
