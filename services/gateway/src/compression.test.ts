import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask } from '../test/ask.ts'
import { LONG } from '../test/fake-notifications.ts'
import { openRig, type Rig } from '../test/fixture.ts'

describe('compression', () => {
  let rig: Rig
  beforeAll(async () => {
    rig = await openRig({ settings: { requestsPerMinute: 1_000, corsOrigins: ['https://app.example.com'] } })
  })
  afterAll(() => rig.close())

  const get = (path: string, accept?: string, method = 'GET', headers = {}) =>
    ask(rig.port, path, { method, headers: { ...(accept !== undefined && { 'accept-encoding': accept }), ...headers } })
  const plain = JSON.stringify({ text: LONG })

  test.each([
    ['br', 'br'],
    ['gzip', 'gzip'],
    ['gzip, deflate, br', 'br'],
    ['gzip;q=1, br;q=0.1', 'gzip'],
    ['br;q=0, gzip', 'gzip'],
    ['*', 'br'],
  ])('for "%s" it is %s', async (accept, encoding) => {
    const { headers, bytes } = await get('/notifications/long', accept)
    expect(headers['content-encoding']).toBe(encoding)
    expect(headers.vary).toMatch(/Origin.*Accept-Encoding/)
    expect(headers['content-length']).toBeUndefined()
    expect(headers['content-type']).toBe('application/json; charset=utf-8')
    expect(bytes.length).toBeLessThan(plain.length / 5)
    expect((encoding === 'br' ? brotliDecompressSync(bytes) : gunzipSync(bytes)).toString()).toBe(plain)
  })

  test.each([undefined, '', 'identity', 'zstd', 'br;q=0, gzip;q=0', ';;;=', 'br;q=x;;'.repeat(3)])(
    'for "%s" the answer comes as it is',
    async (accept) => {
      const { status, headers, text } = await get('/notifications/long', accept)
      expect([status, headers['content-encoding'], text]).toEqual([200, undefined, plain])
      expect(headers['content-length']).toBe(String(plain.length))
    },
  )

  test.each([
    ['/notifications/short', 'a short answer'],
    ['/notifications/tagged', 'a strong ETag: If-Match must find the same one'],
    ['/notifications/untouched', 'no-transform'],
    ['/auth/validate', 'a refusal'],
    ['/docs/favicon-32x32.png', 'a picture'],
    ['/verify-email?token=abc', 'a page with a token'],
    ['/dev/mailbox', 'mails with tokens'],
  ])('%s is not compressed: %s', async (path) => {
    const { headers } = await get(path, 'br, gzip')
    expect(headers['content-encoding']).toBeUndefined()
  })

  test('an answer with a token is never compressed, however long', async () => {
    const { status, headers, bytes } = await get('/auth/login', 'br, gzip', 'POST')
    expect([status, headers['content-encoding']]).toEqual([200, undefined])
    expect(bytes.length).toBeGreaterThan(4_000)
  })

  test('a HEAD is answered without a body', async () => {
    const { status, bytes } = await get('/notifications/long', 'br', 'HEAD')
    expect([status, bytes.length]).toEqual([200, 0])
  })

  test('a stream is compressed on its way', async () => {
    const { headers, bytes } = await get('/notifications/stream', 'gzip')
    expect(headers['content-encoding']).toBe('gzip')
    expect(gunzipSync(bytes).toString()).toBe('{"a":1}\n'.repeat(500) + '{"b":2}\n'.repeat(500))
  })

  test('many at once on connections that are kept come out whole', async () => {
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, at) =>
        get(at % 3 ? '/notifications/long' : '/notifications/short', at % 2 ? 'br' : 'gzip'),
      ),
    )
    for (const { headers, bytes } of answers) {
      const encoding = headers['content-encoding']
      const text = encoding === 'br' ? brotliDecompressSync(bytes) : encoding === 'gzip' ? gunzipSync(bytes) : bytes
      expect([plain, '{"text":"short"}']).toContain(text.toString())
    }
  })

  test('a client that leaves in the middle ends the stream behind it', async () => {
    const before = rig.streams.closed
    const stop = new AbortController()
    const response = await fetch(`${rig.url}/notifications/huge`, {
      signal: stop.signal,
      headers: { 'accept-encoding': 'gzip' },
    })
    expect(response.headers.get('content-encoding')).toBe('gzip')
    stop.abort()
    await expect.poll(() => rig.streams.closed).toBe(before + 1)
  })
})
