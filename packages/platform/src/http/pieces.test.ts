import { canonicalJson } from '@ashlar/kernel'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { defineErrors, pageQuery, timestamp } from '../contract/index.ts'
import { fingerprint } from '../idempotency/index.ts'
import { createAllowedMethods } from './allow.ts'
import { nestsDeeper, parseJson } from './body.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'
import { Refused } from './problem.ts'
import { strictBody } from './validate.ts'

const json = fc.jsonValue({ maxDepth: 6 })
const depthOf = (value: unknown): number =>
  typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0

describe('bodies', () => {
  test('the depth seen in the bytes is the depth of the value', () => {
    fc.assert(
      fc.property(json, (value) => {
        const bytes = Buffer.from(JSON.stringify(value))
        const depth = depthOf(value)
        expect(nestsDeeper(bytes, depth)).toBe(false)
        if (depth > 0) expect(nestsDeeper(bytes, depth - 1)).toBe(true)
      }),
    )
  })

  test('what JSON.parse reads is read the same where no name is poisoned', () => {
    fc.assert(
      fc.property(json, (value) => {
        const text = JSON.stringify(value)
        fc.pre(!text.includes('__proto__'))
        expect(parseJson(Buffer.from(text), 64)).toEqual(JSON.parse(text))
      }),
    )
  })

  test('a poisoned name is found wherever it stands', () => {
    fc.assert(
      fc.property(
        json,
        fc.constantFrom('{"__proto__":1}', '{"\\u005F\\u005fproto__":{}}', '{"constructor":{"prototype":1}}'),
        (value, poison) => {
          const text = JSON.stringify([value, { deep: ['X'] }]).replace('"X"', poison)
          fc.pre(text.includes(poison))
          expect(() => parseJson(Buffer.from(text), 64)).toThrow(Refused)
        },
      ),
    )
  })

  test('a schema that forgets a nested object is refused at composition', () => {
    const open = z.object({ a: z.string() })
    for (const schema of [
      z.object({ n: open }),
      z.object({ n: z.array(open).optional() }),
      z.object({ n: z.union([z.string(), open]) }),
      z.object({ n: z.record(z.string(), open) }),
    ]) {
      expect(() => strictBody(schema, 'test')).toThrow(/test has a nested object/)
    }
    const refined = strictBody(
      z.object({ a: z.string() }).refine(({ a }) => a !== 'no'),
      'test',
    )
    expect(['yes', 'no'].map((a) => refined.safeParse({ a }).success)).toEqual([true, false])
    expect(refined.safeParse({ a: 'yes', b: 1 }).success).toBe(false)
    expect(strictBody(z.object({ n: z.strictObject({}) }), 'test').safeParse({ n: {}, m: 1 }).success).toBe(false)
  })
})

describe('cursors', () => {
  const key = Buffer.alloc(32, 1)

  test('come back as they went, for the same list only', () => {
    fc.assert(
      fc.property(json, json, json, (position, filter, other) => {
        const cursor = encodeCursor(key, filter, position)
        expect(cursor).toMatch(/^[A-Za-z0-9_-]+$/)
        expect(decodeCursor(key, filter, cursor)).toEqual({ ok: true, value: JSON.parse(canonicalJson(position)) })
        if (canonicalJson(filter) !== canonicalJson(other)) expect(decodeCursor(key, other, cursor).ok).toBe(false)
        expect(decodeCursor(Buffer.alloc(32, 2), filter, cursor).ok).toBe(false)
      }),
    )
  })

  test('any changed character is noticed', () => {
    const cursor = encodeCursor(key, { a: 1 }, ['2026-01-01T00:00:00.000Z', 'id'])
    for (let at = 0; at < cursor.length; at += 1) {
      const changed = cursor.slice(0, at) + (cursor[at] === 'A' ? 'B' : 'A') + cursor.slice(at + 1)
      expect(decodeCursor(key, { a: 1 }, changed).ok).toBe(false)
    }
    for (const bad of ['', '.', cursor.slice(0, -1), `${cursor}A`, `${cursor}=`, 'A'.repeat(5_000)]) {
      expect(decodeCursor(key, { a: 1 }, bad).ok).toBe(false)
    }
  })
})

describe('fingerprints', () => {
  test('do not depend on the order of members, and on everything else', () => {
    const shuffled = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(shuffled)
      if (typeof value !== 'object' || value === null) return value
      return Object.fromEntries(
        Object.entries(value)
          .reverse()
          .map(([name, member]) => [name, shuffled(member)]),
      )
    }
    fc.assert(
      fc.property(json, (value) => {
        expect(fingerprint(shuffled(value))).toBe(fingerprint(value))
      }),
    )
    fc.assert(
      fc.property(json, (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)))
      }),
    )
    expect(fingerprint({ a: [1, 2] })).not.toBe(fingerprint({ a: [2, 1] }))
    expect(fingerprint({ a: '1' })).not.toBe(fingerprint({ a: 1 }))
  })
})

describe('contracts', () => {
  test('a common code keeps its status, codes are in snake case and mean errors', () => {
    expect(defineErrors({ a_b: { status: 409, title: 'x' } })).toMatchObject({
      a_b: { status: 409 },
      not_found: { status: 404 },
    })
    expect(() => defineErrors({ not_found: { status: 410, title: 'x' } })).toThrow(/404 in every service/)
    expect(() => defineErrors({ aB: { status: 400, title: 'x' } })).toThrow(/snake case/)
    expect(() => defineErrors({ fine: { status: 200, title: 'x' } })).toThrow(/error status/)
  })

  test('times are UTC with Z', () => {
    for (const good of ['2026-01-01T00:00:00Z', '2026-01-01T00:00:00.123456Z'])
      expect(timestamp.safeParse(good).success).toBe(true)
    for (const bad of ['2026-01-01', '2026-01-01T00:00:00+01:00', '2026-01-01T00:00:00', '2026-02-30T00:00:00Z']) {
      expect(timestamp.safeParse(bad).success).toBe(false)
    }
  })

  test('a page has 20 unless asked', () => {
    expect(pageQuery().parse({})).toEqual({ limit: 20 })
    expect(pageQuery({ x: z.string() }).parse({ x: 'a', limit: '7' })).toEqual({ limit: 7, x: 'a' })
  })
})

test('allowed methods follow the patterns', () => {
  const allowed = createAllowedMethods()
  allowed.add('GET', '/books/:id')
  allowed.add('PUT', '/books/:id/')
  allowed.add('DELETE', '/books/all')
  allowed.add('POST', '/files/*')
  expect(allowed.of('/books/7')).toEqual(['GET', 'HEAD', 'PUT'])
  expect(allowed.of('/books/all/')).toEqual(['DELETE', 'GET', 'HEAD', 'PUT'])
  expect(allowed.of('/files/a/b')).toEqual(['POST'])
  for (const path of ['/books', '/books/', '/books/7/8', '/', '']) expect(allowed.of(path)).toEqual([])
})
