import { canonicalJson, uuidOf } from '@ashlar/kernel'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { changeId } from './identity.ts'
import { parseExactJson } from './json.ts'
import { formatLsn, parseLsn } from './lsn.ts'
import { judgeSlot, type Slot } from './slot.ts'
import { canonicalFor } from './values.ts'
import { readFrame, statusUpdate } from './wire.ts'

describe('canonical JSON', () => {
  test('sorts keys, leaves out what is undefined, and says the same for equal values', () => {
    expect(canonicalJson({ b: [1, { d: null, c: 'x' }], a: undefined, 10: true, 9: false })).toBe(
      '{"10":true,"9":false,"b":[1,{"c":"x","d":null}]}',
    )
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const once = JSON.parse(JSON.stringify(value))
        expect(canonicalJson(JSON.parse(canonicalJson(once)))).toBe(canonicalJson(once))
      }),
    )
  })

  test('refuses what JSON cannot hold', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 1n, () => {}])
      expect(() => canonicalJson(value)).toThrow()
  })

  test('no digit of a number is lost', () => {
    expect(parseExactJson('[1.50, 1e2, 0.1, -0.0, 5e-324]')).toEqual([1.5, 100, 0.1, -0, 5e-324])
    expect(parseExactJson('{"a":9007199254740993}')).toEqual({ a: { $number: '9007199254740993' } })
    expect(parseExactJson('0.1000000000000000055511151231257827')).toEqual({
      $number: '0.1000000000000000055511151231257827',
    })
  })
})

describe('values', () => {
  test.each([
    [16, 't', true],
    [23, '-7', -7],
    [20, '9007199254740993', '9007199254740993'],
    [1700, '1.50', '1.50'],
    [701, '0.1', 0.1],
    [701, 'NaN', 'NaN'],
    [1184, '2026-01-02 03:04:05+00', '2026-01-02T03:04:05.000000Z'],
    [1184, '2026-01-02 03:04:05.1+00', '2026-01-02T03:04:05.100000Z'],
    [1184, 'infinity', 'infinity'],
    [1114, '2026-01-02 03:04:05.123456', '2026-01-02T03:04:05.123456'],
    [1082, '2026-01-02', '2026-01-02'],
    [25, 'text', 'text'],
    [1009, '{a,NULL,"b,\\"c"}', ['a', null, 'b,"c']],
    [
      1007,
      '{{1,2},{3,4}}',
      [
        [1, 2],
        [3, 4],
      ],
    ],
    [1185, '{"2026-01-02 03:04:05+00"}', ['2026-01-02T03:04:05.000000Z']],
    [3802, '{"b": 1, "a": 2}', { a: 2, b: 1 }],
    [99999, 'whatever', 'whatever'],
  ])('type %i: %s', (type, text, value) => {
    expect(canonicalFor(type)(text)).toEqual(value)
  })
})

test('log positions are read and written in one form', () => {
  expect(formatLsn(parseLsn('0/00ab12cd'))).toBe('0/AB12CD')
  expect(parseLsn('1/0')).toBe(4294967296n)
  expect(() => parseLsn('12')).toThrow()
  fc.assert(fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (lsn) => parseLsn(formatLsn(lsn)) === lsn))
})

test('the id of a change depends on all of its six parts and on nothing else', () => {
  const change = { epoch: '7/1', txid: 5, lsn: '0/1', operation: 'insert', table: 'users', key: ['a'] } as const
  const others = [
    { epoch: '7/2' },
    { txid: 6 },
    { txid: null },
    { lsn: '0/2' },
    { operation: 'update' as const },
    { table: 'roles' },
    { key: ['b'] },
    { key: [] },
  ].map((other) => changeId({ ...change, ...other }))
  // Fixed for ever: stored trails hold ids that were made this way.
  expect(changeId(change)).toBe('6cbacbda-0c5c-8d52-835c-dccfcdcadd08')
  expect(new Set([changeId(change), ...others]).size).toBe(others.length + 1)
  expect(uuidOf('abc')).toBe('ba7816bf-8f01-8fea-8141-40de5dae2223')
})

test('a status update tells the stored position as flushed and applied, the received one as written', () => {
  const message = statusUpdate(9n, 4n, 946_684_800_001, true)
  expect([message.readBigUInt64BE(1), message.readBigUInt64BE(9), message.readBigUInt64BE(17)]).toEqual([9n, 4n, 4n])
  expect([message[0], message.readBigInt64BE(25), message[33]]).toEqual([0x72, 1000n, 1])
  expect(() => readFrame(Buffer.from('x'))).toThrow()
})

describe('a slot', () => {
  const slot = (more: Partial<Slot> = {}): Slot => ({
    confirmed: 5n,
    lost: false,
    retainedBytes: 0,
    retainedShare: undefined,
    ...more,
  })
  const stored = { epoch: 'e', lsn: '0/5', phase: 'stream' } as const
  test.each([
    ['goes on where the owner is', stored, slot(), { kind: 'resume' }],
    ['goes on when it is behind the owner', stored, slot({ confirmed: 3n }), { kind: 'resume' }],
    ['is made the first time', undefined, undefined, { kind: 'first', create: true }],
    ['that others made is taken', undefined, slot(), { kind: 'first', create: false }],
    ['that is missing is a gap', stored, undefined, { kind: 'gap', reason: 'slot_missing', create: true }],
    ['that was invalidated is a gap', stored, slot({ lost: true }), { kind: 'gap', reason: 'slot_lost', create: true }],
    [
      'that is ahead is a gap',
      stored,
      slot({ confirmed: 6n }),
      { kind: 'gap', reason: 'slot_advanced', create: false },
    ],
  ])('%s', (_, position, found, verdict) => {
    expect(judgeSlot(position, found, 'e')).toEqual(verdict)
  })

  test('of another epoch is a gap', () => {
    expect(judgeSlot(stored, slot(), 'f')).toEqual({ kind: 'gap', reason: 'epoch_changed', create: false })
  })
})
