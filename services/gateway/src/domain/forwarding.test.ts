import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createPeers } from './address.ts'
import { createForwarding } from './forwarding.ts'
import { type Network, parseIp, parseNetwork } from './ip.ts'

const trusted = ['10.0.0.0/8', '127.0.0.1', 'fd00::/8'].map((text) => parseNetwork(text) as Network)
const resolve = createForwarding(trusted)
const proxy = createPeers(trusted)('10.0.0.1')
const address = (headers: Record<string, string>) => resolve(proxy, headers).client.address
const viaList = (list: string) => address({ 'x-forwarded-for': list })
const viaForwarded = (list: string) => address({ forwarded: list })

test('peers are judged once: trusted, private, or neither', () => {
  const peers = createPeers(trusted)
  expect(peers('::ffff:10.9.9.9')).toMatchObject({ address: '10.9.9.9', trusted: true, private: true })
  expect(peers('192.168.1.1')).toMatchObject({ trusted: false, private: true })
  expect(peers('203.0.113.1')).toMatchObject({ trusted: false, private: false })
  expect(peers('fe80::1%eth0')).toMatchObject({ trusted: false, private: true })
  expect(peers(undefined)).toMatchObject({ address: '', trusted: false, private: false })
})

describe('X-Forwarded-For', () => {
  test.each([
    ['203.0.113.9', '203.0.113.9'],
    ['1.1.1.1, 203.0.113.9', '203.0.113.9'],
    ['1.1.1.1,203.0.113.9, 10.2.2.2 ,10.3.3.3', '203.0.113.9'],
    ['10.2.2.2', '10.2.2.2'],
    ['203.0.113.9:4711', '203.0.113.9'],
    ['[2001:db8::1]:4711', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['2001:DB8:0::1', '2001:db8::1'],
    ['::ffff:203.0.113.9', '203.0.113.9'],
    ['203.0.113.9, ::ffff:10.2.2.2', '203.0.113.9'],
  ])('"%s" comes from %s', (list, client) => expect(viaList(list)).toBe(client))

  test.each([
    '',
    ' ',
    ',',
    'unknown',
    '1.1.1.1, unknown',
    '1.1.1.1, 999.1.1.1',
    'localhost',
    '203.0.113.9 10.2.2.2',
    "1.1.1.1, '",
    '[::1',
    '1.1.1.1, 203.0.113.9:x',
  ])('"%s" cannot be read, so the proxy itself counts', (list) => expect(viaList(list)).toBe('10.0.0.1'))

  test('a hop that cannot be read behind another proxy counts as that proxy', () => {
    expect(viaList('1.1.1.1, garbage, 10.2.2.2')).toBe('10.2.2.2')
  })

  test('a list that a client made endless is not followed', () => {
    expect(viaList(`1.1.1.1${', 10.2.2.2'.repeat(500)}`)).toBe('10.2.2.2')
  })

  test('the /64 of an IPv6 client is what limits count by', () => {
    expect(resolve(proxy, { 'x-forwarded-for': '2001:db8:1:2:3::4' }).client.network).toBe('2001:db8:1:2::/64')
  })

  test('whatever a client writes, the hop that its proxy added decides', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (forged) => {
        expect(viaList(`${forged}, 203.0.113.9`)).toBe('203.0.113.9')
      }),
    )
  })

  test('whatever comes, the answer is an address', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), fc.string({ maxLength: 60 }), (list, forwarded) => {
        expect(parseIp(address({ 'x-forwarded-for': list, forwarded }))).toBeDefined()
      }),
    )
  })
})

describe('Forwarded', () => {
  test.each([
    ['for=203.0.113.9', '203.0.113.9'],
    ['For="[2001:db8::1]:4711";proto=https', '2001:db8::1'],
    ['for=1.1.1.1, for=203.0.113.9;by=10.0.0.1, for=10.2.2.2', '203.0.113.9'],
    ['proto=https;for=203.0.113.9:80', '203.0.113.9'],
    ['for=1.1.1.1, for=_hidden', '10.0.0.1'],
    ['for=1.1.1.1, for=unknown', '10.0.0.1'],
    ['for=1.1.1.1, by=10.0.0.1', '10.0.0.1'],
    ['for=', '10.0.0.1'],
  ])('%s comes from %s', (list, client) => expect(viaForwarded(list)).toBe(client))

  test('beside an X-Forwarded-For that says the same, and one that does not', () => {
    const both = (forwarded: string) => resolve(proxy, { 'x-forwarded-for': '203.0.113.9', forwarded })
    expect(both('for=203.0.113.9')).toMatchObject({ client: { address: '203.0.113.9' } })
    expect(both('for=1.1.1.1')).toMatchObject({ client: { address: '10.0.0.1' }, conflict: true })
  })
})

describe('scheme', () => {
  const scheme = (proto: string, list = '203.0.113.9') =>
    resolve(proxy, { 'x-forwarded-for': list, 'x-forwarded-proto': proto }).scheme

  test.each([
    ['https', undefined, 'https'],
    ['HTTP', undefined, 'http'],
    ['ws', undefined, undefined],
    ['https, http', undefined, 'http'],
    ['https, http', '203.0.113.9, 10.2.2.2', 'https'],
    ['http, https, http', '203.0.113.9, 10.2.2.2', 'https'],
    ['https', '203.0.113.9, 10.2.2.2', 'https'],
  ])('"%s" for %s is %s', (proto, list, expected) => expect(scheme(proto, list)).toBe(expected))

  test('is read from Forwarded too', () => {
    expect(resolve(proxy, { forwarded: 'for=203.0.113.9;proto=https' }).scheme).toBe('https')
    expect(resolve(proxy, { forwarded: 'for=203.0.113.9' }).scheme).toBeUndefined()
  })
})
