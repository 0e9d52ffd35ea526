import { createHash } from 'node:crypto'
import { canonicalJson, type Json } from '@ashlar/kernel'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createSalts } from '../application/salts.ts'
import { commitmentsOf, protect, proves, reveal } from './commitment.ts'
import type { Draft } from './entry.ts'
import { fit } from './oversize.ts'
import { reduced, written } from './written.ts'

const draft = (more: Partial<Draft>): Draft => ({
  id: 'i',
  service: 'auth',
  entity: 'user',
  entityId: 'u1',
  action: 'update',
  before: null,
  after: null,
  changed: [],
  actor: { type: 'user', id: 'u1' },
  context: { requestId: 'r', traceId: null, ip: null, userAgent: null, reason: null },
  source: { epoch: 'e/1', lsn: '0/1', txid: 1, table: 'users', commitTime: '2026-01-01T00:00:00.000000Z' },
  personal: [],
  keys: ['id'],
  ...more,
})

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

test('the longest values go first, the key never, and what fits stays as it is', () => {
  const values = { id: 'k'.repeat(900), short: 'x', long: 'y'.repeat(5000), longer: 'é'.repeat(5000), list: [1, 2] }
  expect(fit(values, 7000, ['id'])).toEqual({
    ...values,
    longer: { $oversize: { sha256: sha256(values.longer), bytes: 10_000 } },
  })
  expect(fit(values, 1500, ['id'])).toMatchObject({ id: values.id, short: 'x', long: { $oversize: { bytes: 5000 } } })
  expect(fit(values, 100_000, ['id'])).toEqual(values)
})

test('whatever the values, an entry has at most its limit of them, or nothing left to shorten', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 20 }), (values) => {
      const limit = 1000
      const { texts, draft: done } = written(draft({ after: values as Record<string, Json>, keys: [] }), limit)
      const large = Object.values(done.after ?? {}).filter((value) => Buffer.byteLength(canonicalJson(value)) > 256)
      expect(Buffer.byteLength(texts.after) <= limit || large.length === 0).toBe(true)
      expect(texts.after).toBe(canonicalJson(done.after))
    }),
  )
})

test('the digest of a personal value is as hidden as the value, and proves it', () => {
  const email = 'x'.repeat(30_000)
  const personal = [{ part: 'after', field: 'email', person: 'u1' }] as const
  const options = { salt: createSalts(), maxValuesBytes: 10_000 }
  const { draft: hidden, openings } = protect(draft({ after: { email }, personal: [...personal] }), options)
  expect(JSON.stringify(hidden)).not.toContain(sha256(email))
  const fields = openings[0]?.fields ?? {}
  const [[place, commitment] = []] = [...commitmentsOf(hidden)]
  expect(place && commitment && fields[place] && proves('i', place, commitment, fields[place])).toBe(true)
  expect(reveal(hidden, fields).after?.email).toEqual({ $oversize: { sha256: sha256(email), bytes: 30_000 } })
})

test('a stored value that looks like a digest is not taken for one', () => {
  const after = { a: { $oversize: { sha256: 'x', bytes: 1 } }, b: { $unstorable: 1 } }
  const { draft: hidden } = protect(draft({ after }), { salt: createSalts(), maxValuesBytes: 10_000 })
  expect(hidden.after).toEqual({ a: { $literal: after.a }, b: { $literal: after.b } })
  expect(reveal(hidden, {}).after).toEqual(after)
})

test('what is left of an entry that no store takes is plain text and digests', () => {
  const personal = [{ part: 'after', field: 'email', person: 'u1' }] as const
  const { draft: hidden } = protect(
    draft({
      after: { id: 1, email: 'a@b', doc: { x: 'a\0b' }, 'f\0': 'ok' },
      personal: [...personal],
      changed: ['f\0'],
    }),
    { salt: createSalts(), maxValuesBytes: 10_000 },
  )
  const left = reduced(hidden)
  expect(left.after).toEqual({
    id: 1,
    email: null,
    doc: { $unstorable: { sha256: sha256(canonicalJson({ x: 'a\0b' })), bytes: expect.any(Number) } },
    'f\\u0000': 'ok',
  })
  expect(left.changed).toEqual(['f\\u0000'])
})
