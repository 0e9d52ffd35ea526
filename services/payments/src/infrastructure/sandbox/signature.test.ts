import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isSigned, sign } from './signature.ts'

const now = new Date('2026-01-01T00:00:00.500Z')
const rule = { secret: 'whsec_0123456789abcdef', toleranceSeconds: 300 }
const body = Buffer.from('{"id":"e"}')
const header = sign(rule.secret, now, body)
const at = (seconds: number) => new Date(now.getTime() + seconds * 1_000)

test('what was signed is taken, whatever the bytes are', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.string({ minLength: 1 }), (bytes, secret) => {
      const signed = sign(secret, now, Buffer.from(bytes))
      expect(isSigned({ ...rule, secret }, signed, now, Buffer.from(bytes))).toBe(true)
    }),
  )
})

test('the form is that of the contract', () => {
  expect(header).toMatch(/^t=1767225600,v1=[0-9a-f]{64}$/)
})

test('one byte more, less or different is refused, and so is another secret', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1 }), fc.nat(), fc.integer({ min: 1, max: 255 }), (bytes, pick, flip) => {
      const original = Buffer.from(bytes)
      const signed = sign(rule.secret, now, original)
      const flipped = Buffer.from(original)
      flipped.writeUInt8(flipped.readUInt8(pick % original.length) ^ flip, pick % original.length)
      for (const altered of [flipped, original.subarray(1), Buffer.concat([original, Buffer.from(' ')])])
        expect(isSigned(rule, signed, now, altered)).toBe(false)
      expect(isSigned({ ...rule, secret: `${rule.secret}x` }, signed, now, original)).toBe(false)
    }),
  )
})

test('an old one and one from the future are refused, five minutes either way', () => {
  for (const seconds of [-299, 0, 299]) expect(isSigned(rule, header, at(seconds), body)).toBe(true)
  for (const seconds of [-302, 302, 86_400]) expect(isSigned(rule, header, at(seconds), body)).toBe(false)
})

test('an old one with a new time is refused: the time is signed along', () => {
  const later = Math.floor(at(3_600).getTime() / 1_000)
  expect(isSigned(rule, header.replace(/t=\d+/, `t=${later}`), at(3_600), body)).toBe(false)
})

test('of several signatures one must be right', () => {
  const [time, right] = header.split(',')
  const wrong = `v1=${'0'.repeat(64)}`
  for (const good of [`${time},${wrong},${right}`, `${time}, ${right}, ${wrong}`, `${right},${time},v2=x`])
    expect(isSigned(rule, good, now, body)).toBe(true)
  expect(isSigned(rule, `${time},${Array(10).fill(wrong).join(',')},${right}`, now, body)).toBe(false)
})

test.each([
  undefined,
  '',
  't=1767225600',
  header.split(',')[1],
  `t=,${header.split(',')[1]}`,
  `t=-1,${header.split(',')[1]}`,
  `t=1e9,${header.split(',')[1]}`,
  `${header.split(',')[0]},${header}`,
  header.replace('v1=', 'v0='),
  header.toUpperCase(),
  `${header}00`,
  header.slice(0, -2),
  [header, header],
])('refuses the header %j', (malformed) => {
  expect(isSigned(rule, malformed, now, body)).toBe(false)
})
