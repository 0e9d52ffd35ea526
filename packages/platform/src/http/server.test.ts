import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, caller, raw, startServer } from './server.fixture.ts'

let running: Awaited<ReturnType<typeof startServer>>
beforeAll(async () => {
  running = await startServer()
})
afterAll(() => running.server.close())

const ID = '0193a6f0-1111-7000-8000-000000000001'

describe('bodies that are not what they should be', () => {
  const send = (body: string | Buffer, type = 'application/json') =>
    ask(running.port, '/echo', { body, headers: { 'content-type': type } })

  test('an unknown field is refused with its place', async () => {
    const reply = await ask(running.port, '/echo', { json: { title: 'a', 'is/admin': true } })
    expect(reply.status).toBe(400)
    expect(reply.headers['content-type']).toMatch(/^application\/problem\+json/)
    expect(reply.json()).toMatchObject({
      type: 'urn:ashlar:problem:validation_failed',
      code: 'validation_failed',
      status: 400,
      instance: '/echo',
      requestId: reply.headers['x-request-id'],
      errors: [{ pointer: '/is~1admin', code: 'unknown_field' }],
    })
    expect(reply.json().traceId).toMatch(/^[0-9a-f]{32}$/)
  })

  test.each([
    ['not JSON', '{"title":', 'not_json'],
    ['two values', '{"title":"a"}{}', 'not_json'],
    ['bad UTF-8', Buffer.from([0x22, 0xff, 0xfe, 0x22]), 'not_utf8'],
    ['33 levels', `{"title":"a","more":{"x":${'['.repeat(31)}${']'.repeat(31)}}}`, 'too_deep'],
    ['__proto__', '{"title":"a","more":{"__proto__":{"admin":true}}}', 'name_refused'],
    ['__proto__ in escapes', '{"title":"a","more":{"\\u005f_proto__":{"admin":true}}}', 'name_refused'],
    ['constructor.prototype', '{"title":"a","more":{"constructor":{"prototype":{"admin":true}}}}', 'name_refused'],
    ['a NUL in a text', '{"title":"a\\u0000"}', 'not_text'],
    ['half a surrogate pair', '{"title":"a\\ud800"}', 'not_text'],
  ])('%s: 400', async (_what, body, code) => {
    const reply = await send(body)
    expect(reply.status).toBe(400)
    expect(reply.json()).toMatchObject({ code: 'validation_failed', errors: [{ code }] })
  })

  test('32 levels pass, brackets in a string do not count, a member called constructor is nothing special', async () => {
    const deep = `{"title":"a","more":{"x":${'['.repeat(30)}${']'.repeat(30)}}}`
    expect((await send(deep)).status).toBe(200)
    expect((await send(`{"title":"a","more":{"x":"${'['.repeat(100)}\\"${'{'.repeat(100)}"}}`)).status).toBe(200)
    expect((await send('{"title":"a","more":{"constructor":"Brunel"}}')).status).toBe(200)
  })

  test('128 KiB pass, one byte more is 413, announced or not', async () => {
    const frame = '{"title":"a","more":{"x":""}}'
    const fits = frame.replace('""', `"${'y'.repeat(128 * 1024 - frame.length)}"`)
    expect((await send(fits)).status).toBe(200)
    const reply = await send(`${fits} `)
    expect([reply.status, reply.json().code]).toEqual([413, 'body_too_large'])
    const chunk = 'a'.repeat(0x8000)
    const chunked = `POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${`8000\r\n${chunk}\r\n`.repeat(5)}`
    expect(await raw(running.port, chunked)).toMatch(/^HTTP\/1.1 413 [\s\S]*"code":"body_too_large"/)
  })

  test('a megabyte of brackets does not hold the event loop', async () => {
    const big = await startServer({ limits: { bodyBytes: 2 * 1024 * 1024 } })
    try {
      let longest = 0
      let last = performance.now()
      const beat = setInterval(() => {
        longest = Math.max(longest, performance.now() - last)
        last = performance.now()
      }, 1)
      const reply = await ask(big.port, '/echo', {
        body: '['.repeat(1_000_000),
        headers: { 'content-type': 'application/json' },
      })
      clearInterval(beat)
      expect(reply.json()).toMatchObject({ code: 'validation_failed', errors: [{ code: 'too_deep' }] })
      expect(longest).toBeLessThan(250)
    } finally {
      await big.server.close()
    }
  })

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=utf-16', ''])(
    'the media type %j is refused',
    async (type) => {
      const reply = await send('{"title":"a"}', type)
      expect([reply.status, reply.json().code]).toEqual([415, 'media_type_unsupported'])
    },
  )

  test.each(['application/json; charset=UTF-8', 'application/json;charset="utf-8"', 'application/vnd.x+json'])(
    'the media type %j is taken',
    async (type) => expect((await send('{"title":"a"}', type)).status).toBe(200),
  )

  test('no body where one is needed', async () => {
    const reply = await ask(running.port, '/echo', { method: 'POST' })
    expect([reply.status, reply.json().code]).toEqual([400, 'validation_failed'])
    const missing = await ask(running.port, '/echo', { json: {} })
    expect(missing.json().errors).toMatchObject([{ pointer: '/title', code: 'required' }])
  })

  test('a body where none is known is refused, an empty object is not', async () => {
    const slow = (json: unknown) => ask(running.port, '/slow', { json })
    expect((await slow({ x: 1 })).json()).toMatchObject({ code: 'validation_failed', errors: [{ pointer: '/x' }] })
    const empty = slow({})
    await expect.poll(() => running.release.length).toBe(1)
    running.release.pop()?.()
    expect((await empty).status).toBe(200)
  })
})

describe('paths and methods', () => {
  test('an unknown route is a 404 problem without the query, whatever body comes', async () => {
    const reply = await ask(running.port, '/nowhere?token=secret', {
      body: 'x',
      headers: { 'content-type': 'text/plain' },
    })
    expect(reply.status).toBe(404)
    expect(reply.json()).toMatchObject({ code: 'not_found', instance: '/nowhere' })
    expect(reply.text).not.toContain('secret')
  })

  test.each(['PUT', 'OPTIONS', 'TRACE', 'PROPFIND'])(
    '%s on a known path is 404, as what is not built, with Allow',
    async (method) => {
      const reply = await ask(running.port, '/me', { method })
      expect([reply.status, reply.headers.allow]).toEqual([404, 'DELETE, GET, HEAD'])
      expect(reply.json()).toMatchObject({ code: 'not_found', type: 'urn:ashlar:problem:not_found' })
    },
  )

  test('one trailing slash is ignored, two are not', async () => {
    expect((await ask(running.port, `/books/${ID}/`)).status).toBe(200)
    expect((await ask(running.port, `/books/${ID}//`)).status).toBe(404)
  })

  test.each(['17', ID.toUpperCase(), `${ID}x`, 'a'.repeat(600)])('the id %s is not well formed: 404', async (id) => {
    const reply = await ask(running.port, `/books/${id}`)
    expect([reply.status, reply.json().code]).toEqual([404, 'not_found'])
  })

  test('a path that does not decode is 400', async () => {
    const reply = await ask(running.port, '/books/%zz')
    expect([reply.status, reply.json().code, reply.headers['x-request-id']]).toEqual([
      400,
      'path_invalid',
      expect.any(String),
    ])
  })

  test('HEAD answers as GET without a body', async () => {
    const get = await ask(running.port, `/books/${ID}`)
    const head = await ask(running.port, `/books/${ID}`, { method: 'HEAD' })
    expect([head.status, head.text, head.headers['content-length']]).toEqual([200, '', String(get.text.length)])
    expect(head.headers.etag).toBe('"1"')
  })

  test('a page is sent as it is', async () => {
    const reply = await ask(running.port, '/page')
    expect([reply.headers['content-type'], reply.text]).toEqual(['text/html; charset=utf-8', '<p>hello</p>'])
  })
})

describe('headers', () => {
  test('a good request id and trace are kept, bad ones replaced', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const kept = await ask(running.port, '/echo', {
      json: { title: 'a' },
      headers: { 'x-request-id': 'abc.1_2-Z', traceparent },
    })
    expect(kept.headers['x-request-id']).toBe('abc.1_2-Z')
    expect(kept.headers.traceparent).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/)
    expect(running.seen.at(-1)).toMatchObject({
      requestId: 'abc.1_2-Z',
      actor: { type: 'anonymous' },
      ip: '127.0.0.1',
    })
    for (const bad of ['a b', 'ä', 'x'.repeat(129), '<script>']) {
      const reply = await ask(running.port, '/livez', {
        headers: { 'x-request-id': Buffer.from(bad).toString('latin1'), traceparent: 'nonsense' },
      })
      expect(reply.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
      expect(reply.headers.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)
    }
  })

  test('more than 100 fields are 431, also where Node would drop what is beyond its limit', async () => {
    const fields = (count: number) => Array.from({ length: count }, (_, n) => `a${n}: 1\r\n`).join('')
    const request = (count: number) =>
      raw(running.port, `GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${fields(count)}\r\n`)
    expect(await request(98)).toMatch(/^HTTP\/1.1 200 /)
    expect(await request(99)).toMatch(/^HTTP\/1.1 431 [\s\S]*"code":"headers_too_large"/)
    expect(await request(1_500)).toMatch(/^HTTP\/1.1 431 [\s\S]*"code":"headers_too_large"/)
    expect(await raw(running.port, `GET /livez HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1.1 431 [\s\S]*"code":"headers_too_large"/,
    )
  })

  test('what is no HTTP gets a problem and is cut off', async () => {
    const answered = await raw(
      running.port,
      'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
    )
    expect(answered).toMatch(/^HTTP\/1.1 400 [\s\S]*"code":"validation_failed"/)
  })
})

describe('access', () => {
  const get = (path: string, token?: string, method = 'GET') =>
    ask(running.port, path, { method, headers: token === undefined ? {} : { authorization: token } })

  test('without a usable token: 401 that says Bearer', async () => {
    for (const token of [undefined, 'Basic Z29vZA==', 'Bearer', 'Bearer a b', 'Bearer bad']) {
      const reply = await get('/me', token)
      expect([reply.status, reply.json().code]).toEqual([401, 'access_token_invalid'])
      expect(reply.headers['www-authenticate']).toMatch(/^Bearer/)
    }
    expect((await get('/me', 'Bearer stale')).json().code).toBe('access_token_stale')
  })

  test('refused before the body is read', async () => {
    const reply = await ask(running.port, '/me', {
      method: 'DELETE',
      body: 'x',
      headers: { 'content-type': 'text/plain' },
    })
    expect(reply.status).toBe(401)
  })

  test('permission and recent sign-in', async () => {
    expect((await get('/me', 'bearer good')).json()).toEqual({ userId: caller.userId, ip: '127.0.0.1' })
    expect((await get('/audit', 'Bearer good')).json()).toMatchObject({ status: 403, code: 'forbidden' })
    expect((await get('/audit', 'Bearer auditor')).status).toBe(204)
    expect((await get('/me', 'Bearer old', 'DELETE')).json()).toMatchObject({
      status: 403,
      code: 'reauthentication_required',
    })
    expect((await get('/me', 'Bearer good', 'DELETE')).status).toBe(204)
  })
})

describe('answers', () => {
  test('refusals of the handler become problems of their table', async () => {
    expect((await ask(running.port, '/echo', { json: { title: 'full' } })).json()).toMatchObject({
      status: 409,
      title: 'The shelf is full',
      detail: 'The shelf is full.',
    })
    expect((await ask(running.port, '/echo', { json: { title: 'odd' } })).json()).toMatchObject({
      status: 422,
      detail: 'Quite odd.',
      errors: [{ pointer: '/title', code: 'odd' }],
    })
  })

  test('what the contract does not name is not sent', async () => {
    expect((await ask(running.port, '/echo', { json: { title: 'a' } })).text).toBe('{"title":"a"}')
  })

  test.each(['throw', 'schema', 'status'])('a 500 shows no cause (%s) and is logged', async (how) => {
    const reply = await ask(running.port, `/broken/${how}`)
    expect(reply.status).toBe(500)
    expect(reply.json().code).toBe('internal_error')
    expect(reply.text).not.toMatch(/hunter2|topsecret|contract|stack/i)
    const line = running.runtime.logs.find(
      (log) => log.message === 'request failed' && log.correlationId === reply.json().requestId,
    )
    expect(line).toMatchObject({ level: 'error', err: { name: 'Error' } })
    expect(JSON.stringify(line)).not.toMatch(/topsecret|ada@example.org/)
  })

  test('a store that is gone is 503 with Retry-After', async () => {
    const reply = await ask(running.port, '/broken/database')
    expect([reply.status, reply.json().code]).toEqual([503, 'dependency_unavailable'])
    expect(Number(reply.headers['retry-after'])).toBeGreaterThan(0)
    expect(reply.text).not.toContain('10.1.2.3')
  })

  test('lists: limits, cursors bound to route and filter, Link', async () => {
    const first = await ask(running.port, '/books?limit=5&author=x')
    const { nextCursor } = (first.json() as unknown as { page: { nextCursor: string } }).page
    expect(first.headers.link).toBe(`<?limit=5&author=x&cursor=${nextCursor}>; rel="next"`)
    const next = (query: string) => ask(running.port, `/books?${query}`)
    expect((await next(`limit=5&author=x&cursor=${nextCursor}`)).json()).toMatchObject({ data: [{ n: 5 }] })
    for (const bad of [
      `author=y&cursor=${nextCursor}`,
      `cursor=${nextCursor}`,
      `author=x&cursor=${nextCursor}A`,
      'cursor=!',
    ]) {
      expect((await next(bad)).json()).toMatchObject({ status: 400, code: 'cursor_invalid' })
    }
    for (const bad of ['limit=0', 'limit=101', 'limit=x', 'limit=1&limit=2', 'limit=1.5']) {
      const reply = (await next(bad)).json()
      expect(reply).toMatchObject({ status: 400, code: 'validation_failed', errors: [{ pointer: '/query/limit' }] })
    }
  })
})
