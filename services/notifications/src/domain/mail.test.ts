import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addressKey, isSingleAddress, parseSender } from './address.ts'
import { greetingName, oneLine } from './greeting.ts'
import { linksIn, mailDate, tokenLink } from './link.ts'
import { flawsOf } from './template.ts'
import { BUILT_IN_TEMPLATES, isUrgent, mayBeSentByHand } from './templates/built-in.ts'

test.each(['a@x.test', 'a.b+c@x.test', "o'neil_1@sub.x-y.test", 'jürgen@bücher.test', 'a@localhost'])(
  '%s is one address',
  (address) => {
    expect(isSingleAddress(address)).toBe(true)
    expect(parseSender(address)).toEqual({ name: '', address })
    expect(parseSender(`My "Shop <${address}>`)).toBeUndefined()
    expect(parseSender(`"My Shop" <${address}>`)).toEqual({ name: 'My Shop', address })
  },
)

test.each([
  '',
  'a',
  '@x',
  'a@',
  'a@x,b@y',
  'a@x b@y',
  'a b@x',
  '<a@x>',
  'a@x\n',
  '"a"@x',
  'a@[127.0.0.1]',
  '.a@x',
  'a..b@x',
  'a@x;',
])('%j is not one address', (text) => {
  expect(isSingleAddress(text)).toBe(false)
})

test('no address holds what could leave its place in a command or header', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (left, right) => {
      const text = `${left}@${right}`
      if (isSingleAddress(text)) expect(text).not.toMatch(/[\s<>,;:"()\\[\]\p{Cc}]/u)
    }),
  )
  expect(addressKey('  Ada@X.Test ')).toBe('ada@x.test')
  expect(addressKey('Ada@Bücher.example')).toBe('ada@xn--bcher-kva.example')
  expect(addressKey('e\u0301@例え.jp')).toBe('é@xn--r8jz45g.jp')
  // An address that no account can have is still a key, and one of its own.
  expect(addressKey('ü')).not.toBe(addressKey('ö'))
  expect(addressKey('a@ü/b')).not.toBe(addressKey('a@ü/c'))
})

test.each([
  ['Ada', 'Ada'],
  ['  Ada\n Maria ', 'Ada Maria'],
  ["Jean-Luc O'Neil J.", "Jean-Luc O'Neil J."],
  ['李', '李'],
  ['', null],
  [null, null],
  ['x'.repeat(61), null],
  ['visit evil.example now', null],
  ['http://evil', null],
  ['WWW.evil', null],
  ['me@evil', null],
  ['<b>', null],
])('greets %j as %j', (name, greeted) => {
  expect(greetingName(name)).toBe(greeted)
})

test('one line is one line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(oneLine(text)).not.toMatch(/[\p{Cc}\u2028\u2029]/u)
    }),
  )
})

test('a link carries any token, and is found in a text without the punctuation around it', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), (token) => {
      const link = tokenLink('https://shop.test/', 'verify-email', token)
      expect(new URL(link).searchParams.get('token')).toBe(token)
      expect(new URL(link).pathname).toBe('/verify-email')
    }),
  )
  expect(linksIn('See https://a.test/x?y=1. (or http://b.test), not ftp://c.test')).toEqual([
    'https://a.test/x?y=1',
    'http://b.test',
  ])
  expect(mailDate('2026-03-01T10:20:30.999Z')).toBe('2026-03-01 10:20 UTC')
})

test('built-in templates are unique by name, and what auth alone may say goes before all others', () => {
  const names = BUILT_IN_TEMPLATES.map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
  expect(names.filter((name) => !mayBeSentByHand(name)).every(isUrgent)).toBe(true)
  expect(names.filter(isUrgent)).toEqual([
    'verify-email',
    'email-already-registered',
    'password-reset',
    'otp-code',
    'security-alert',
  ])
})

test('a request must give what the template needs, may give what it can do without, and nothing else', () => {
  const needs = { product: 'required', signInLink: 'required', amount: 'required', firstName: 'optional' } as const
  expect(flawsOf(needs, { amount: '1.00' })).toEqual([])
  expect(flawsOf(needs, { amount: '1.00', firstName: null })).toEqual([])
  expect(flawsOf(needs, { amount: null, product: 'Evil', toString: 'x' })).toEqual([
    { name: 'amount', code: 'required' },
    { name: 'product', code: 'unknown_field' },
    { name: 'toString', code: 'unknown_field' },
  ])
})
