import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { systemClock } from '@ashlar/kernel'
import { createTokenVerifier } from '@ashlar/platform/tokens'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Answer, ask } from '../test/ask.ts'
import { openRig, type Rig, rawRequest } from '../test/fixture.ts'

const expectProblem = (answer: Answer, status: number, code: string) => {
  expect([answer.status, answer.code, answer.headers['content-type']]).toEqual([
    status,
    code,
    'application/problem+json; charset=utf-8',
  ])
  expect(JSON.parse(answer.text)).toMatchObject({
    status,
    code,
    title: expect.any(String),
    requestId: expect.any(String),
  })
}

describe('hostile content', () => {
  let rig: Rig
  beforeAll(async () => {
    rig = await openRig({ settings: { rateLimitEnabled: false } })
  })
  afterAll(() => rig.close())
  const post = (body: string | Buffer, type = 'application/json') =>
    ask(rig.port, '/payments/create', { method: 'POST', headers: { 'content-type': type }, body })

  test.each<[string, string | Buffer, number, string]>([
    ['nothing', '', 400, 'validation_failed'],
    ['half an object', '{"text":', 400, 'validation_failed'],
    ['two values', '{"text":"a"}{"text":"b"}', 400, 'validation_failed'],
    ['no JSON', '<xml/>', 400, 'validation_failed'],
    ['not an object', '"text"', 400, 'validation_failed'],
    ['null', 'null', 400, 'validation_failed'],
    ['bad UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]), 400, 'validation_failed'],
    ['a NUL', '{"text":"a"}\0', 400, 'validation_failed'],
    ['33 levels', `{"text":${'['.repeat(33)}${']'.repeat(33)}}`, 400, 'validation_failed'],
    ['60,000 brackets', '['.repeat(60_000), 400, 'validation_failed'],
    ['an unknown field', '{"text":"a","admin":true}', 400, 'validation_failed'],
    ['__proto__', '{"text":"a","__proto__":{"admin":true}}', 400, 'validation_failed'],
    ['__proto__ in escapes', '{"text":"a","\\u005f_proto__":{"admin":true}}', 400, 'validation_failed'],
    ['constructor.prototype', '{"text":"a","constructor":{"prototype":{"admin":true}}}', 400, 'validation_failed'],
    ['more than 128 KiB', `{"text":"${'a'.repeat(131_072)}"}`, 413, 'body_too_large'],
  ])('a body that is %s is refused', async (_name, body, status, code) => {
    expectProblem(await post(body), status, code)
    expect(({} as Record<string, unknown>).admin).toBeUndefined()
  })

  test.each([
    'text/plain',
    'application/xml',
    'multipart/form-data; boundary=x',
    'application/json; charset=latin1',
    'application/x-www-form-urlencoded',
  ])('a body of the type "%s" is refused', async (type) => {
    expectProblem(await post('{"text":"a"}', type), 415, 'media_type_unsupported')
  })

  test('a body without an end in sight is refused before it is held', async () => {
    const head = 'POST /payments/create HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n'
    const promised = await rawRequest(rig.port, `${head}Content-Length: 999999999\r\n\r\n{`)
    expect([promised.status, promised.text]).toEqual([413, expect.stringContaining('"code":"body_too_large"')])
    const chunk = `2000\r\n${'a'.repeat(0x2000)}\r\n`
    const chunked = await rawRequest(rig.port, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(20)}`)
    expect([chunked.status, chunked.text]).toEqual([413, expect.stringContaining('"code":"body_too_large"')])
  })

  test.each([101, 500, 1_000, 1_900])(
    '%d header fields are refused, an Authorization behind them as well',
    async (count) => {
      const fields = Array.from({ length: count }, (_, at) => `a${at}: 1\r\n`).join('')
      const before = rig.seen.length
      const bytes = `GET /auth/validate HTTP/1.1\r\nHost: localhost\r\n${fields}Authorization: Bearer good\r\n\r\n`
      const answer = await rawRequest(rig.port, bytes)
      expect([answer.status, answer.text]).toEqual([431, expect.stringContaining('"code":"headers_too_large"')])
      expect(rig.seen.length).toBe(before)
    },
  )

  test.each([
    'authorization: Basic YTpi',
    'authorization: Bearer',
    'authorization: Bearer a b',
    'authorization: bearer ',
    'authorization: Digest x',
    `authorization: Bearer ${'a'.repeat(9_000)}`,
  ])('the field "%.40s" signs nobody in', async (field) => {
    const { status, text } = await rawRequest(
      rig.port,
      `GET /auth/validate HTTP/1.1\r\nHost: localhost\r\n${field}\r\n\r\n`,
    )
    expect([status, text]).toEqual([401, expect.stringContaining('"code":"access_token_invalid"')])
  })

  test('whatever stands in any field, nothing breaks', async () => {
    const values = ['', '\x80\xff', '%00', 'a'.repeat(4_000), '{}', "' OR 1=1 --", '-1', '9'.repeat(40), ',,,;;;==']
    const names = [
      'accept',
      'accept-encoding',
      'origin',
      'access-control-request-method',
      'traceparent',
      'tracestate',
      'x-request-id',
      'x-forwarded-for',
      'forwarded',
      'x-forwarded-proto',
      'idempotency-key',
      'if-match',
      'if-none-match',
      'range',
      'content-language',
      'expect',
      'cookie',
      'user-agent',
      'upgrade',
      'te',
    ]
    const statuses = new Map<number, string>()
    for (const method of ['GET', 'OPTIONS']) {
      for (const name of names) {
        const answers = await Promise.all(
          values.map((value) =>
            rawRequest(
              rig.port,
              `${method} /payments HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${name}: ${value}\r\n\r\n`,
              2_000,
            ),
          ),
        )
        for (const [at, { status }] of answers.entries()) statuses.set(status, `${method} ${name}: ${values[at]}`)
      }
    }
    for (const [status, sent] of statuses) expect([200, 400, 404, 417, 431], sent).toContain(status)
  })
})

describe('forged tokens', () => {
  const issuer = 'http://localhost:3000'
  const audience = 'ashlar'
  const ours = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const theirs = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const claims = (own: object = {}) => ({
    iss: issuer,
    aud: audience,
    sub: '0193f6f0-0000-7000-8000-000000000001',
    sid: 's1',
    jti: 'j1',
    iat: Math.floor(Date.now() / 1000),
    exp: Math.floor(Date.now() / 1000) + 300,
    roles: ['admin'],
    permissions: [],
    email: 'ada@example.com',
    amr: ['pwd'],
    auth_time: 0,
    rv: 1,
    ...own,
  })
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const usual = { alg: 'ES256', typ: 'at+jwt', kid: 'k1' }
  const token = (header: object, payload: object, key: KeyObject = ours.privateKey) => {
    const signed = `${part(header)}.${part(payload)}`
    return `${signed}.${sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
  }
  const publicPem = createPublicKey(ours.privateKey).export({ type: 'spki', format: 'pem' })
  const byMac = (header: object) => {
    const signed = `${part(header)}.${part(claims())}`
    return `${signed}.${createHmac('sha256', publicPem).update(signed).digest('base64url')}`
  }

  let rig: Rig
  beforeAll(async () => {
    const jwk = { ...ours.publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'ES256', use: 'sig' }
    const authenticator = createTokenVerifier({
      issuer,
      audience,
      jwks: async () => ({ keys: [jwk] }),
      revocations: { refresh: async () => {}, verdict: () => undefined },
      clock: systemClock,
    })
    rig = await openRig({ settings: { rateLimitEnabled: false }, authenticator })
  })
  afterAll(() => rig.close())
  const call = (bearer: string) => ask(rig.port, '/auth/validate', { headers: { authorization: `Bearer ${bearer}` } })

  test('a good one is taken, so the others are refused for what is wrong with them', async () => {
    expect((await call(token(usual, claims()))).status).toBe(200)
  })

  test.each<[string, () => string]>([
    ['alg none', () => `${part({ ...usual, alg: 'none' })}.${part(claims())}.`],
    ['alg none with a signature', () => token({ ...usual, alg: 'none' }, claims())],
    ['alg NoNe', () => `${part({ ...usual, alg: 'NoNe' })}.${part(claims())}.`],
    ['no signature', () => token(usual, claims()).replace(/\.[^.]*$/, '.')],
    ['HS256 with the public key', () => byMac({ ...usual, alg: 'HS256' })],
    ['another algorithm', () => token({ ...usual, alg: 'ES384' }, claims())],
    ['a key of somebody else', () => token(usual, claims(), theirs.privateKey)],
    ['an unknown key id', () => token({ ...usual, kid: 'k2' }, claims(), theirs.privateKey)],
    ['no key id', () => token({ alg: 'ES256', typ: 'at+jwt' }, claims())],
    [
      'a key that it brings along',
      () => token({ ...usual, jwk: theirs.publicKey.export({ format: 'jwk' }) }, claims(), theirs.privateKey),
    ],
    ['an address of keys', () => token({ ...usual, jku: `${issuer}/keys`, kid: 'k3' }, claims(), theirs.privateKey)],
    ['another audience', () => token(usual, claims({ aud: 'somebody' }))],
    ['another issuer', () => token(usual, claims({ iss: 'http://evil.example' }))],
    ['another kind of token', () => token({ ...usual, typ: 'JWT' }, claims())],
    ['expired', () => token(usual, claims({ exp: 1 }))],
    ['not yet valid', () => token(usual, claims({ nbf: 9_999_999_999 }))],
    ['no expiry', () => token(usual, claims({ exp: undefined }))],
    ['no session', () => token(usual, claims({ sid: undefined }))],
    ['changed claims', () => token(usual, claims()).replace(/\.[^.]+\./, `.${part(claims({ sub: 'x' }))}.`)],
    ['roles that are none', () => token(usual, claims({ roles: 'admin' }))],
    ['four parts', () => `${token(usual, claims())}.x`],
    ['no parts', () => 'x'],
  ])('%s', async (_name, make) => {
    const before = rig.seen.length
    expectProblem(await call(make()), 401, 'access_token_invalid')
    expect(rig.seen.length).toBe(before)
  })
})
