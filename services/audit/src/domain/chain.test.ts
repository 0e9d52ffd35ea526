import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto'
import { canonicalJson } from '@ashlar/kernel'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createSalts } from '../application/salts.ts'
import { EMPTY_HEAD, extend } from './chain.ts'
import { fingerprintOf, isGenuine, signCheckpoint, signerOf, witnessOf } from './checkpoint.ts'
import { commitmentsOf, protect, proves, reveal } from './commitment.ts'
import { type Draft, hashOf, type Link, textsOf } from './entry.ts'

const draft = (more: Partial<Draft> = {}): Draft => ({
  id: crypto.randomUUID(),
  service: 'auth',
  entity: 'user',
  entityId: 'u1',
  action: 'update',
  before: { email: 'a@b', name: null },
  after: { email: 'c@d', name: 'N' },
  changed: ['email', 'name'],
  actor: { type: 'user', id: 'u1' },
  context: { requestId: 'r', traceId: null, ip: '192.0.2.1', userAgent: null, reason: null },
  source: { epoch: 'e/1', lsn: '0/1', txid: 1, table: 'users', commitTime: '2026-01-01T00:00:00.000000Z' },
  personal: [],
  keys: [],
  ...more,
})

const written = (one: Draft) => ({ draft: one, texts: textsOf(one) })
const options = () => ({ salt: createSalts(), maxValuesBytes: 10_000 })
const NOW = 1_767_225_600_000_000n

describe('the chain', () => {
  test('the hash is the SHA-256 of the canonical JSON of all fields but itself', () => {
    fc.assert(
      fc.property(
        fc.string(),
        fc.dictionary(fc.string(), fc.jsonValue()),
        fc.option(fc.string()),
        (text, values, entityId) => {
          const after = JSON.parse(JSON.stringify(values)) as Draft['after']
          const { links } = extend(text, EMPTY_HEAD, [written(draft({ entity: text, entityId, after }))], NOW)
          const { hash, ...rest } = (links[0] as Link).entry
          expect(hash).toBe(createHash('sha256').update(canonicalJson(rest)).digest('hex'))
          expect(hashOf(rest)).toBe(hash)
        },
      ),
    )
  })

  test('numbers have no holes, each entry follows the one before, and time grows though the clock went back', () => {
    const first = extend('auth', EMPTY_HEAD, [written(draft()), written(draft())], NOW)
    const second = extend('auth', first.head, [written(draft())], NOW - 5_000_000n)
    const entries = [...first.links, ...second.links].map(({ entry }) => entry)
    expect(entries.map(({ sequence }) => sequence)).toEqual([1, 2, 3])
    expect(entries.map(({ previousHash }) => previousHash)).toEqual([
      '0'.repeat(64),
      entries[0]?.hash,
      entries[1]?.hash,
    ])
    expect(entries.map(({ recordedAt }) => recordedAt)).toEqual([
      '2026-01-01T00:00:00.000000Z',
      '2026-01-01T00:00:00.000001Z',
      '2026-01-01T00:00:00.000002Z',
    ])
  })
})

describe('commitments', () => {
  const personal = [
    { part: 'before', field: 'email', person: 'u1' },
    { part: 'after', field: 'email', person: 'u2' },
    { part: 'before', field: 'name', person: 'u1' },
    { part: 'context', field: 'ip', person: 'u1' },
  ] as const

  test('hide the value, prove it, and give it back to whoever has the opening', () => {
    const original = draft({ personal: [...personal] })
    const { draft: hidden, openings } = protect(original, options())
    expect(JSON.stringify([hidden.before, hidden.after, hidden.context])).not.toMatch(/a@b|c@d|192\.0/)
    expect(hidden.before?.name).toBeNull()
    expect(openings.map(({ person, fields }) => [person, Object.keys(fields)])).toEqual([
      ['u1', ['before.email', 'context.ip']],
      ['u2', ['after.email']],
    ])
    const fields = Object.assign({}, ...openings.map((own) => own.fields))
    for (const [place, commitment] of commitmentsOf(hidden)) {
      expect(proves(hidden.id, place, commitment, fields[place])).toBe(true)
      expect(proves(hidden.id, place, commitment, { ...fields[place], value: 'other' })).toBe(false)
      expect(proves('another entry', place, commitment, fields[place])).toBe(false)
      expect(proves(hidden.id, place, { ...commitment, person: 'u3' }, fields[place])).toBe(false)
    }
    expect(reveal(hidden, fields)).toMatchObject({
      before: original.before,
      after: original.after,
      context: original.context,
    })
    expect(reveal(hidden, {}).before).toEqual({ email: null, name: null })
  })

  test('two equal values have different commitments', () => {
    const salts = createSalts()
    const [one, other] = [
      protect(draft({ personal: [...personal] }), { ...options(), salt: salts }),
      protect(draft({ personal: [...personal] }), { ...options(), salt: salts }),
    ]
    expect(one.draft.after?.email).not.toEqual(other.draft.after?.email)
    expect(new Set(Array.from({ length: 1000 }, salts)).size).toBe(1000)
  })

  test('a stored value that looks like a commitment is not taken for one', () => {
    const planted = { meta: { $commitment: 'x', person: 'u1' }, twice: { $literal: 1 } }
    const { draft: hidden } = protect(draft({ after: planted }), options())
    expect(commitmentsOf(hidden).size).toBe(0)
    expect(reveal(hidden, {}).after).toEqual(planted)
  })
})

describe('checkpoints', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const signer = signerOf(privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
  const range = {
    chain: 'auth',
    hash: 'f'.repeat(64),
    witnesses: [witnessOf('a'.repeat(64)), witnessOf('b'.repeat(64))],
    at: '2026-01-01T00:00:00.000Z',
  }

  test('follow one another and cover their entries', () => {
    const first = signCheckpoint(signer, undefined, range)
    const second = signCheckpoint(signer, first, range)
    expect([first.number, first.from, first.to, second.number, second.from, second.to]).toEqual([1, 1, 2, 2, 3, 4])
    expect(first.key).toBe(fingerprintOf(createPublicKey(signer.publicKey)))
    expect(isGenuine(first, publicKey) && isGenuine(second, publicKey)).toBe(true)
  })

  test.each([
    'chain',
    'number',
    'from',
    'to',
    'hash',
    'witnessHash',
    'previous',
    'at',
    'key',
    'signature',
    'witness',
  ] as const)('a changed %s is found', (field) => {
    const checkpoint = signCheckpoint(signer, undefined, range)
    const value = checkpoint[field]
    const changed = typeof value === 'number' ? value + 1 : `${value.slice(0, -6)}AAAAAA`
    expect(isGenuine({ ...checkpoint, [field]: changed }, publicKey)).toBe(false)
  })

  test('another key has not signed it', () => {
    expect(isGenuine(signCheckpoint(signer, undefined, range), generateKeyPairSync('ed25519').publicKey)).toBe(false)
  })
})
