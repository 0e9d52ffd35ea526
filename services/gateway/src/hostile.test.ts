import net from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openRig, type Rig, rawRequest } from '../test/fixture.ts'

const HOST = 'Host: localhost\r\n'
const lines = (...fields: string[]) => `${fields.map((field) => `${field}\r\n`).join('')}\r\n`

describe('hostile requests', () => {
  let rig: Rig
  const send = (bytes: string, quietMs?: number) => rawRequest(rig.port, bytes, quietMs)
  /** Checks that it was refused with a whole problem, and that no service saw it. */
  const expectRefused = async (bytes: string, status: number, code: string) => {
    const before = rig.seen.length
    const answer = await send(bytes)
    expect([answer.status, answer.text]).toEqual([status, expect.stringContaining(`"code":"${code}"`)])
    expect(answer.head).toContain('content-type: application/problem+json')
    expect(answer.head).toMatch(/x-request-id: [0-9a-f-]{36}/)
    expect(answer.head).toContain('x-content-type-options: nosniff')
    expect(rig.seen.length).toBe(before)
    return answer
  }

  beforeAll(async () => {
    rig = await openRig({ settings: { requestsPerMinute: 100_000 } })
  })
  afterAll(() => rig.close())

  test.each([
    '/payments%2f1',
    '/payments/%2F',
    '/payments/%2e%2e/audit',
    '/payments/%2E',
    '/payments/%5c1',
    '/payments/%00',
    '/payments/%3bx',
    '/payments/%252e',
    '/payments/%0d%0a',
    '/payments/../audit',
    '/payments/./1',
    '/payments/..',
    '//payments',
    '/payments//1',
    '/payments//',
    '/payments/1;x=1',
    '/payments\\1',
    '/payments/%ff',
    '/payments/%c0%af',
    '/payments/%ed%a0%80',
    '/payments/%4',
    '/payments/%zz',
    '/payments/"',
    '/payments/{x}',
    '/payments#x',
    '/payments?a#b',
    '/api//payments',
    '/api/../audit',
  ])('the path %s is refused', async (path) => {
    await expectRefused(`GET ${path} HTTP/1.1\r\n${HOST}\r\n`, 400, 'path_invalid')
  })

  test.each<[string, string, number, string]>([
    ['two Host fields', `GET / HTTP/1.1\r\n${HOST}host: evil.example\r\n\r\n`, 400, 'request_malformed'],
    ['two equal Host fields', `GET / HTTP/1.1\r\n${HOST}${HOST}\r\n`, 400, 'request_malformed'],
    ['no Host field', 'GET / HTTP/1.1\r\n\r\n', 400, 'request_malformed'],
    [
      'two Authorization fields',
      `GET / HTTP/1.1\r\n${HOST}${lines('Authorization: Bearer good', 'authorization: Bearer x')}`,
      400,
      'request_malformed',
    ],
    ['a target of another host', `GET http://evil.example/payments HTTP/1.1\r\n${HOST}\r\n`, 400, 'request_malformed'],
    ['a target with user info', `GET http://evil@localhost/payments HTTP/1.1\r\n${HOST}\r\n`, 400, 'request_malformed'],
    ['a target that is an asterisk', `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`, 400, 'request_malformed'],
    ['TRACE', `TRACE /payments HTTP/1.1\r\n${HOST}\r\n`, 405, 'method_not_allowed'],
    ['CONNECT', `CONNECT localhost:80 HTTP/1.1\r\n${HOST}\r\n`, 405, 'method_not_allowed'],
    [
      'Transfer-Encoding on HTTP/1.0',
      `POST /payments/create HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
      'request_malformed',
    ],
    ['HTTP/2.0 in a request line', `GET / HTTP/2.0\r\n${HOST}\r\n`, 400, 'request_malformed'],
    ['obsolete line folding', `GET / HTTP/1.1\r\n${HOST}X-A: one\r\n two\r\n\r\n`, 400, 'request_malformed'],
    ['a folded first field', `GET / HTTP/1.1\r\n X-A: one\r\n${HOST}\r\n`, 400, 'request_malformed'],
    [
      'both lengths',
      `POST / HTTP/1.1\r\n${HOST}${lines('Content-Length: 1', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
      400,
      'request_malformed',
    ],
    [
      'two Content-Lengths',
      `POST / HTTP/1.1\r\n${HOST}${lines('Content-Length: 1', 'Content-Length: 2')}x`,
      400,
      'request_malformed',
    ],
    ['an unknown method', `FOO / HTTP/1.1\r\n${HOST}\r\n`, 400, 'request_malformed'],
    ['no HTTP at all', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', 400, 'request_malformed'],
    ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400, 'request_malformed'],
    ['bare line feeds', 'GET / HTTP/1.1\nHost: localhost\n\n', 400, 'request_malformed'],
    ['a space before a colon', 'GET / HTTP/1.1\r\nHost : localhost\r\n\r\n', 400, 'request_malformed'],
    ['a huge field', `GET / HTTP/1.1\r\n${HOST}X-A: ${'a'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
    [
      '101 fields',
      `GET / HTTP/1.1\r\n${HOST}${lines(...Array.from({ length: 100 }, (_, at) => `a${at}: 1`))}`,
      431,
      'headers_too_large',
    ],
    ['an expectation that nobody meets', `GET / HTTP/1.1\r\n${HOST}Expect: 200-ok\r\n\r\n`, 400, 'request_malformed'],
    ['a host of somebody else', 'GET /payments HTTP/1.1\r\nHost: evil.example\r\n\r\n', 421, 'host_unknown'],
    [
      'a host that only begins like ours',
      'GET /payments HTTP/1.1\r\nHost: localhost.evil.example\r\n\r\n',
      421,
      'host_unknown',
    ],
    ['a host behind user info', 'GET /payments HTTP/1.1\r\nHost: localhost@evil.example\r\n\r\n', 421, 'host_unknown'],
    ['a foreign host at health', 'GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n', 421, 'host_unknown'],
    ['a foreign host at /dev', 'GET /dev/mailbox HTTP/1.1\r\nHost: evil.example\r\n\r\n', 421, 'host_unknown'],
  ])('%s is refused', async (_name, bytes, status, code) => {
    await expectRefused(bytes, status, code)
  })

  test('CONNECT and TRACE say what is allowed', async () => {
    for (const method of ['TRACE /', 'CONNECT localhost:80']) {
      expect((await send(`${method} HTTP/1.1\r\n${HOST}\r\n`)).head).toContain('allow: get, head, post')
    }
  })

  test('100 fields, an absolute target of this host, any port of localhost and HTTP/1.0 are served', async () => {
    const fields = Array.from({ length: 98 }, (_, at) => `a${at}: 1`)
    const served = [
      `GET /payments HTTP/1.1\r\n${HOST}${lines(...fields, 'Connection: close')}`,
      `GET http://localhost:81/payments HTTP/1.1\r\nHost: LOCALHOST:81\r\n\r\n`,
      'GET /payments HTTP/1.1\r\nHost: [::1]:9\r\n\r\n',
      'GET /payments HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n',
    ]
    for (const bytes of served) expect((await send(bytes)).status).toBe(200)
  })

  test('what is refused is counted and logged without its text', async () => {
    await send(`GET /..secret-path/.. HTTP/1.1\r\n${HOST}\r\n`)
    await send('garbage-secret\r\n\r\n')
    const text = JSON.stringify(rig.logs)
    expect(text).not.toContain('secret')
    const last = rig.logs.filter((line) => line.message === 'request').at(-1)
    expect(last).toMatchObject({ status: 400, code: 'request_malformed', method: '_OTHER' })
    const metrics = await (await fetch(`${rig.url}/metrics`)).text()
    expect(metrics).toMatch(
      /http_errors_total\{method="_OTHER",route="\(none\)",status="400",service="gateway"\} [1-9]/,
    )
  })

  test('a refused request is told so before it sends its body', async () => {
    const head = `POST /payments/create HTTP/1.1\r\n${HOST}${lines('Authorization: Bearer bad', 'Content-Type: application/json', 'Content-Length: 12', 'Expect: 100-continue')}`
    const refused = await send(head.replace('/payments/create', '/payments/not-public'))
    expect(refused.text.startsWith('HTTP/1.1 401')).toBe(true)
    const invited = await send(head)
    expect(invited.text.startsWith('HTTP/1.1 100 Continue')).toBe(true)
  })

  test('requests sent without waiting are answered in order', async () => {
    const one = (id: string) => `GET /payments/${id} HTTP/1.1\r\n${HOST}\r\n`
    const { text } = await send(one('a') + one('b') + one('c'))
    expect([...text.matchAll(/"text":"(\w)"/g)].map(([, id]) => id)).toEqual(['a', 'b', 'c'])
  })

  test('bad bytes behind a request that is being answered do not take its answer away, and get none', async () => {
    const { text } = await send(`GET /payments/a HTTP/1.1\r\n${HOST}\r\nGARBAGE\r\n\r\n`)
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200'])
    expect(text).toContain('"text":"a"')
  })
})

describe('slow clients', () => {
  let rig: Rig
  beforeAll(async () => {
    rig = await openRig({ settings: { headersSeconds: 1, bodySeconds: 2, idleSeconds: 1 } })
  })
  afterAll(() => rig.close())

  /** Milliseconds until the server closed, and what it had said. */
  const untilClosed = (bytes: string) =>
    new Promise<{ afterMs: number; text: string }>((resolve) => {
      const began = performance.now()
      let text = ''
      const socket = net.connect(rig.port, '127.0.0.1', () => socket.write(bytes))
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1')
      })
      socket.on('error', () => {})
      socket.on('close', () => resolve({ afterMs: performance.now() - began, text }))
    })

  test.concurrent('a head that does not come to its end', async ({ expect }) => {
    const { afterMs, text } = await untilClosed('GET / HTTP/1.1\r\nHost: local')
    expect(text).toContain('"code":"request_timeout"')
    expect(afterMs).toBeLessThan(4_500)
  })

  test.concurrent('a body that does not come to its end', async ({ expect }) => {
    const head = `POST /payments/create HTTP/1.1\r\n${HOST}${lines('Content-Type: application/json', 'Content-Length: 99')}`
    const { afterMs, text } = await untilClosed(`${head}{"text"`)
    expect(text).toContain('"code":"request_timeout"')
    expect(afterMs).toBeGreaterThan(1_500)
    expect(afterMs).toBeLessThan(5_500)
  })

  test.concurrent('a connection that says nothing', async ({ expect }) => {
    expect((await untilClosed('')).afterMs).toBeLessThan(4_500)
  })

  test.concurrent('a connection that has nothing more to say', async ({ expect }) => {
    const { afterMs, text } = await untilClosed(`GET /payments HTTP/1.1\r\n${HOST}\r\n`)
    expect(text).toContain('HTTP/1.1 200')
    expect(afterMs).toBeLessThan(4_500)
  })
})
