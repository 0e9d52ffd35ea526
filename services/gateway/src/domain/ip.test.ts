import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { contains, isPrivate, parseIp, parseNetwork, writeIp } from './ip.ts'

const ip = (text: string) => parseIp(text) ?? []
const within = (network: string, address: string) => {
  const parsed = parseNetwork(network)
  return parsed !== undefined && contains(parsed, ip(address))
}

test.each([
  '',
  '1.2.3',
  '1.2.3.4.5',
  '256.1.1.1',
  '01.2.3.4',
  '1.2.3.4 ',
  ':',
  ':::',
  '1::2::3',
  '1:2:3:4:5:6:7',
  'g::',
  '12345::',
  '1.2.3.4::',
  '::1%lo',
  '[::1]',
  '1:2:3:4:5:6:7:8:9',
  '1:2:3:4:5:6:7::8',
  'unknown',
  '::ffff:1.2.3.256',
])('"%s" is no address', (text) => expect(parseIp(text)).toBeUndefined())

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['::FFFF:c000:0201', '192.0.2.1'],
  ['2001:0DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['::', '::'],
  ['::1', '::1'],
  ['1::', '1::'],
  ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
  ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
])('%s is written %s', (text, written) => expect(writeIp(ip(text))).toBe(written))

test('what is written is read as the same address', () => {
  const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }))
  fc.assert(
    fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
      expect(parseIp(writeIp(groups))).toEqual(groups)
    }),
  )
})

describe('networks', () => {
  test.each([
    ['10.0.0.0/8', '10.255.0.1', true],
    ['10.0.0.0/8', '::ffff:10.1.2.3', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['192.168.4.0/22', '192.168.7.255', true],
    ['192.168.4.0/22', '192.168.8.0', false],
    ['192.0.2.7', '192.0.2.7', true],
    ['192.0.2.7', '192.0.2.8', false],
    ['0.0.0.0/0', '203.0.113.9', true],
    ['0.0.0.0/0', '2001:db8::1', false],
    ['2001:db8::/33', '2001:db8:7fff::1', true],
    ['2001:db8::/33', '2001:db8:8000::1', false],
    ['::/0', '203.0.113.9', true],
  ])('%s and %s: %s', (network, address, inside) => expect(within(network, address)).toBe(inside))

  test.each([
    '',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0.1/8',
    '::1/129',
    '::1/64',
    '10.0.0/8',
    'all',
    '10.0.0.0/-1',
    '10.0.0.0/0x8',
  ])('"%s" is none', (text) => expect(parseNetwork(text)).toBeUndefined())

  test('private ones', () => {
    const inside = [
      '10.1.1.1',
      '172.31.0.1',
      '192.168.0.1',
      '127.8.0.1',
      '169.254.1.1',
      '100.64.0.1',
      '::1',
      'fd00::1',
      'fe80::1',
    ]
    const outside = ['172.32.0.1', '203.0.113.1', '100.128.0.1', '2001:db8::1', '::2', 'fec0::1']
    for (const address of inside) expect([address, isPrivate(ip(address))]).toEqual([address, true])
    for (const address of outside) expect([address, isPrivate(ip(address))]).toEqual([address, false])
  })
})
