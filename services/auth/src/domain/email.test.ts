import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseEmail } from './email.ts'

test.each([
  ['  Ada.Lovelace@Example.TEST\n', 'ada.lovelace@example.test'],
  ['a+b@example.test', 'a+b@example.test'],
  ["o'brien@example.test", "o'brien@example.test"],
  ['x@BÜCHER.example', 'x@xn--bcher-kva.example'],
  ['x@xn--bcher-kva.example', 'x@xn--bcher-kva.example'],
  ['x@mail。example', 'x@mail.example'],
  // Composed and decomposed spellings of one letter are one person.
  ['jose\u0301@example.test', 'jos\u00e9@example.test'],
  ['JOS\u00c9@example.test', 'jos\u00e9@example.test'],
  [`${'a'.repeat(64)}@example.test`, `${'a'.repeat(64)}@example.test`],
])('%j is %s', (text, normal) => {
  expect(parseEmail(text)).toEqual({ ok: true, value: normal })
})

test.each([
  '',
  '@',
  'a@',
  '@example.test',
  'a',
  'a@localhost',
  'a@@example.test',
  'a@b@example.test',
  'a b@example.test',
  'a@exa mple.test',
  '.a@example.test',
  'a.@example.test',
  'a..b@example.test',
  '"a"@example.test',
  'a@[127.0.0.1]',
  'a@127.0.0.1',
  'a@0x7f.1',
  'a@example.test.',
  'a@-example.test',
  'a@example_.test',
  'a@example.test/x',
  'a@example.test?x=1',
  'a@example.test:25',
  'a@ex%61mple.test',
  'a@exa\u00admple.test ok',
  'a\r\nBcc: b@example.test',
  'a@example.test\r\nBcc: b@example.test',
  'a\u0000b@example.test',
  'a\u200bb@example.test',
  'a\ud800b@example.test',
  'a,b@example.test',
  'a<b>@example.test',
  `${'a'.repeat(65)}@example.test`,
  `${'é'.repeat(33)}@example.test`,
  `a@${'b'.repeat(64)}.test`,
  `a@${'bcd.'.repeat(70)}test`,
  `${'a'.repeat(2000)}@example.test`,
])('%j is refused', (text) => {
  expect(parseEmail(text)).toEqual({ ok: false, error: 'email_malformed' })
})

test('the normal form is its own normal form, and safe in a header', () => {
  const part = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
  const address = fc.tuple(part, part, fc.constantFrom('test', 'example.test', 'bücher.example'))
  fc.assert(
    fc.property(address, ([local, host, rest]) => {
      const parsed = parseEmail(`${local}@${host}.${rest}`)
      if (!parsed.ok) return
      expect(parseEmail(parsed.value)).toEqual(parsed)
      expect(parsed.value).not.toMatch(/[\p{C}\p{Z}<>,;:"()[\]\\]/u)
    }),
    { numRuns: 500 },
  )
})

test('whatever is typed, reading it ends in an address or a refusal', () => {
  const units = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 40 })
  fc.assert(
    fc.property(units, (codes) => {
      expect(parseEmail(`a${String.fromCharCode(...codes)}@example.test`)).toHaveProperty('ok')
      expect(parseEmail(`a@${String.fromCharCode(...codes)}.test`)).toHaveProperty('ok')
    }),
  )
})
