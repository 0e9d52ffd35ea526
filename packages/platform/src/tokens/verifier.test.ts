import { createHmac, createSign, generateKeyPairSync } from 'node:crypto'
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose'
import { beforeEach, expect, test } from 'vitest'
import { createFakeClock, type FakeClock } from '../testing/index.ts'
import { createTokenVerifier } from './verifier.ts'

const ISSUER = 'https://ashlar.test'
const AUDIENCE = 'ashlar'
const ours = await generateKeyPair('ES256', { extractable: true })
const theirs = await generateKeyPair('ES256', { extractable: true })
const publicJwk: JWK = { ...(await exportJWK(ours.publicKey)), kid: 'ours', alg: 'ES256', use: 'sig' }
const theirJwk: JWK = { ...(await exportJWK(theirs.publicKey)), kid: 'theirs' }

let clock: FakeClock
let published: JWK[]
let fetches: number
let verdict: 'revoked' | 'stale' | undefined
let reachable: boolean
beforeEach(() => {
  clock = createFakeClock(new Date('2026-11-21T12:00:00Z'))
  published = [publicJwk]
  fetches = 0
  verdict = undefined
  reachable = true
})

const open = (more: { cacheSize?: number; refetchAfterMs?: number } = {}) =>
  createTokenVerifier({
    issuer: ISSUER,
    audience: AUDIENCE,
    jwks: async () => {
      fetches++
      return { keys: published }
    },
    revocations: {
      verdict: () => verdict,
      refresh: async () => {
        if (!reachable) throw new Error('nobody answers')
      },
    },
    clock,
    ...more,
  })

const now = () => Math.floor(clock.now().getTime() / 1000)
const claims = () => ({
  iss: ISSUER,
  aud: AUDIENCE,
  sub: 'user-1',
  sid: 'session-1',
  jti: 'token-1',
  iat: now(),
  exp: now() + 900,
  roles: ['user'],
  permissions: [],
  email: 'ada@example.test',
  amr: ['pwd'],
  auth_time: now(),
  rv: 1,
})
const header = { alg: 'ES256', typ: 'at+jwt', kid: 'ours' }
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const sign = (
  payload: Record<string, unknown> = claims(),
  head: Record<string, unknown> = header,
  key = ours.privateKey,
) => new SignJWT(payload).setProtectedHeader(head as { alg: string }).sign(key)
const without = (name: string) => Object.fromEntries(Object.entries(claims()).filter(([key]) => key !== name))

test('a good token gives its caller', async () => {
  const answer = await open().authenticate(await sign())
  expect(answer).toMatchObject({
    ok: true,
    value: { userId: 'user-1', sessionId: 'session-1', roles: ['user'], amr: ['pwd'], authTime: now() },
  })
})

const forged: [string, () => string | Promise<string>][] = [
  ['empty', () => ''],
  ['three dots', () => '..'],
  ['no JSON', () => 'a.b.c'],
  ['a header that is no object', () => `${part(null)}.${part(claims())}.x`],
  ['larger than any of ours', async () => `${await sign()}${'A'.repeat(10_000)}`],
  ['alg none', () => `${part({ ...header, alg: 'none' })}.${part(claims())}.`],
  ['alg none in odd letters', () => `${part({ ...header, alg: 'nOnE' })}.${part(claims())}.`],
  ['our header, no signature', () => `${part(header)}.${part(claims())}.`],
  [
    'HS256 keyed with our public key',
    () => {
      const input = `${part({ ...header, alg: 'HS256' })}.${part(claims())}`
      return `${input}.${createHmac('sha256', JSON.stringify(publicJwk)).update(input).digest('base64url')}`
    },
  ],
  [
    'ES256 in the header, HMAC in the signature',
    () => {
      const input = `${part(header)}.${part(claims())}`
      return `${input}.${createHmac('sha512', publicJwk.x ?? '')
        .update(input)
        .digest('base64url')}`
    },
  ],
  [
    'RS256',
    () => {
      const input = `${part({ ...header, alg: 'RS256' })}.${part(claims())}`
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
      return `${input}.${createSign('sha256').update(input).sign(privateKey, 'base64url')}`
    },
  ],
  ['signed by another key under our kid', () => sign(claims(), header, theirs.privateKey)],
  ['a kid that we never published', () => sign(claims(), { ...header, kid: 'theirs' }, theirs.privateKey)],
  ['no kid', () => sign(claims(), { alg: 'ES256', typ: 'at+jwt' })],
  ['a kid that is a path', () => sign(claims(), { ...header, kid: '../../etc/passwd' })],
  ['its own key in jwk', () => sign(claims(), { ...header, jwk: theirJwk }, theirs.privateKey)],
  [
    'its own key set in jku',
    () => sign(claims(), { ...header, kid: 'theirs', jku: 'https://evil.test/jwks' }, theirs.privateKey),
  ],
  [
    'its own chain in x5u',
    () => sign(claims(), { ...header, kid: 'theirs', x5u: 'https://evil.test/x5u' }, theirs.privateKey),
  ],
  ['a critical extension', () => `${part({ ...header, crit: ['b64'], b64: false })}.${part(claims())}.AAAA`],
  ['typ JWT', () => sign(claims(), { ...header, typ: 'JWT' })],
  ['no typ', () => sign(claims(), { alg: 'ES256', kid: 'ours' })],
  ['typ of another kind of ours', () => sign(claims(), { ...header, typ: 'ashlar-claims+jwt' })],
  ['another issuer', () => sign({ ...claims(), iss: 'https://evil.test' })],
  ['no issuer', () => sign(without('iss'))],
  ['another audience', () => sign({ ...claims(), aud: '/orders' })],
  ['no audience', () => sign(without('aud'))],
  ['expired beyond the skew', () => sign({ ...claims(), exp: now() - 5 })],
  ['no expiry', () => sign(without('exp'))],
  ['an expiry in words', () => sign({ ...claims(), exp: 'tomorrow' as unknown as number })],
  ['not yet valid beyond the skew', () => sign({ ...claims(), nbf: now() + 6 })],
  ['no session', () => sign(without('sid'))],
  ['no subject', () => sign(without('sub'))],
  ['no version of rights', () => sign(without('rv'))],
  ['roles that are no list', () => sign({ ...claims(), roles: 'admin' })],
  ['permissions that are no list of names', () => sign({ ...claims(), permissions: [{ name: 'users:read' }] })],
  [
    'a payload that was changed',
    async () => {
      const [head, , signature] = (await sign()).split('.')
      return `${head}.${part({ ...claims(), permissions: ['system:operate'] })}.${signature}`
    },
  ],
]
test.each(forged)('refused: %s', async (_, make) => {
  expect(await open().authenticate(await make())).toEqual({ ok: false, error: 'access_token_invalid' })
})

test('keys that come with a token are never used, even by its side of the truth', async () => {
  const token = await sign(claims(), { ...header, jwk: theirJwk, jku: 'https://evil.test/jwks' })
  expect((await open().authenticate(token)).ok).toBe(true)
})

test('the skew is five seconds on both sides', async () => {
  const verifier = open()
  expect((await verifier.authenticate(await sign({ ...claims(), exp: now() - 4 }))).ok).toBe(true)
  expect((await verifier.authenticate(await sign({ ...claims(), nbf: now() + 5 }))).ok).toBe(true)
})

test('a remembered token is not checked again, and dies at its expiry', async () => {
  const verifier = open()
  const token = await sign({ ...claims(), exp: now() + 60 })
  expect((await verifier.authenticate(token)).ok).toBe(true)
  clock.advance(64_999)
  expect((await verifier.authenticate(token)).ok).toBe(true)
  clock.advance(1)
  expect(await verifier.authenticate(token)).toEqual({ ok: false, error: 'access_token_invalid' })
})

test('a remembered token is refused from the moment on that its session is', async () => {
  const verifier = open()
  const token = await sign()
  expect((await verifier.authenticate(token)).ok).toBe(true)
  verdict = 'stale'
  expect(await verifier.authenticate(token)).toEqual({ ok: false, error: 'access_token_stale' })
  verdict = 'revoked'
  expect(await verifier.authenticate(token)).toEqual({ ok: false, error: 'access_token_invalid' })
})

test('where revocations cannot be known, nobody passes', async () => {
  const verifier = open()
  const token = await sign()
  await verifier.authenticate(token)
  reachable = false
  await expect(verifier.authenticate(token)).rejects.toThrow('nobody answers')
})

test('more tokens than are remembered are all checked rightly', async () => {
  const verifier = open({ cacheSize: 2 })
  for (let i = 0; i < 5; i++) {
    const answer = await verifier.authenticate(await sign({ ...claims(), sub: `user-${i}`, jti: `${i}` }))
    expect(answer.ok && answer.value.userId).toBe(`user-${i}`)
  }
})

test('a key that was published since is found, and made-up ones are not asked for each time', async () => {
  const verifier = open({ refetchAfterMs: 20 })
  await verifier.authenticate(await sign())
  expect(fetches).toBe(1)
  const token = await sign(claims(), { ...header, kid: 'theirs' }, theirs.privateKey)
  await Promise.all(Array.from({ length: 20 }, () => verifier.authenticate(token)))
  expect(fetches).toBe(1)

  published = [publicJwk, theirJwk]
  await new Promise((resolve) => setTimeout(resolve, 30))
  expect((await verifier.authenticate(token)).ok).toBe(true)
  expect(fetches).toBe(2)
})

test('published keys of another kind are not taken for ours', async () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' }) as JWK
  published = [
    { ...rsa, kid: 'ours' },
    { kty: 'oct', k: 'c2VjcmV0', kid: 'ours' },
    { ...publicJwk, use: 'enc' },
  ]
  expect(await open().authenticate(await sign())).toEqual({ ok: false, error: 'access_token_invalid' })
})
