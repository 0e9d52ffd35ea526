import { Agent, createServer, request as nodeRequest } from 'node:http'
import { connect } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { ask, caller, raw, startServer } from './server.fixture.ts'
import type { Progress } from './types.ts'

const servers: { close(): Promise<void> }[] = []
const start = async (more: Parameters<typeof startServer>[0] = {}) => {
  const running = await startServer(more)
  servers.push(running.server)
  return running
}
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()))
})

const until = (condition: () => boolean): Promise<void> => expect.poll(condition).toBe(true) as Promise<void>

describe('the end of a server', () => {
  test('accepted requests are answered, connections told to close, new ones refused', async () => {
    const { server, port, release } = await start()
    const pending = Array.from({ length: 5 }, () => ask(port, '/slow', { method: 'POST' }))
    await until(() => release.length === 5)
    const closed = server.close()
    let over = false
    void closed.then(() => {
      over = true
    })
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect(over).toBe(false)
    await expect(ask(port, '/livez')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    for (const go of release) go()
    for (const reply of await Promise.all(pending)) {
      expect([reply.status, reply.headers.connection]).toEqual([200, 'close'])
    }
    await closed
  })

  test('a request that comes over an idle connection just after close was called is answered', async () => {
    const { server, port } = await start()
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const send = () =>
      new Promise<{ status: number | undefined; connection: string | undefined }>((resolve, reject) => {
        const request = nodeRequest(
          {
            port,
            host: '127.0.0.1',
            path: '/echo',
            method: 'POST',
            agent,
            headers: { 'content-type': 'application/json' },
          },
          (response) => {
            response.resume()
            response.on('end', () => resolve({ status: response.statusCode, connection: response.headers.connection }))
          },
        )
        request.on('error', reject)
        request.end('{"title":"a"}')
      })
    expect(await send()).toEqual({ status: 200, connection: 'keep-alive' })
    await new Promise((resolve) => setImmediate(resolve))
    const closed = server.close()
    expect(await send()).toEqual({ status: 200, connection: 'close' })
    await closed
    agent.destroy()
  })

  test('an idle connection does not hold up the end, nor does half a request', async () => {
    const { server, port } = await start()
    const idle = connect(port, '127.0.0.1')
    const half = connect(port, '127.0.0.1', () => half.write('POST /echo HTTP/1.1\r\nHost: x\r\nContent-'))
    for (const socket of [idle, half]) socket.on('error', () => {})
    await new Promise((resolve) => half.once('connect', resolve))
    const began = performance.now()
    await server.close()
    expect(performance.now() - began).toBeLessThan(2_000)
    idle.destroy()
    half.destroy()
  })

  test('a request that does not end is cut off at the time limit', async () => {
    const { server, port, release } = await start({ sockets: { drainTimeoutMs: 500 } })
    const lost = ask(port, '/slow', { method: 'POST' })
    lost.catch(() => {})
    await until(() => release.length === 1)
    const began = performance.now()
    await server.close()
    expect(performance.now() - began).toBeLessThan(2_000)
    await expect(lost).rejects.toThrow()
  })

  test('drain makes it unready and serves on', async () => {
    const { server, port } = await start()
    expect((await ask(port, '/readyz')).status).toBe(200)
    server.drain()
    expect((await ask(port, '/readyz')).json()).toEqual({ status: 'unready', reason: 'draining' })
    expect((await ask(port, '/livez')).status).toBe(200)
    const served = await ask(port, '/echo', { json: { title: 'a' } })
    expect([served.status, served.headers.connection]).toEqual([200, 'close'])
  })

  test('closing twice waits for the same end; one that never listened closes too', async () => {
    const { server } = await start()
    await Promise.all([server.close(), server.close()])
    await server.close()
  })
})

describe('slow clients', () => {
  const sockets = { headersTimeoutMs: 300, requestTimeoutMs: 600, idleTimeoutMs: 500 }

  test('a header that does not come to its end: 408', async () => {
    const { port } = await start({ sockets })
    expect(await raw(port, 'GET /livez HTTP/1.1\r\nHost: x\r\nX-')).toMatch(
      /^HTTP\/1.1 408 [\s\S]*"code":"request_timeout"/,
    )
  })

  test('a body that does not come to its end: 408', async () => {
    const { port } = await start({ sockets })
    const half = 'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"ti'
    expect(await raw(port, half)).toMatch(/^HTTP\/1.1 408 [\s\S]*"code":"request_timeout"/)
  })

  test('a connection without a request is closed', async () => {
    const { port } = await start({ sockets })
    expect(await raw(port, '')).not.toContain('HTTP/1.1 200')
  })

  test('a slow handler is not a slow client', async () => {
    const { port, release } = await start({ sockets })
    const reply = ask(port, '/slow', { method: 'POST' })
    await until(() => release.length === 1)
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    release.pop()?.()
    expect((await reply).status).toBe(200)
  })
})

describe('operational endpoints', () => {
  test('health names each dependency, never the cause', async () => {
    const { port, runtime } = await start({
      health: {
        database: async () => {
          throw new Error('connect ECONNREFUSED 10.9.8.7')
        },
        bus: async () => {},
      },
    })
    const reply = await ask(port, '/health')
    expect(reply.status).toBe(503)
    expect(reply.json()).toEqual({
      status: 'degraded',
      service: 'payments',
      dependencies: {
        database: { status: 'down', latencyMs: expect.any(Number) },
        bus: { status: 'up', latencyMs: expect.any(Number) },
      },
    })
    expect(reply.text).not.toContain('10.9.8.7')
    expect(runtime.logs.find((line) => line.message === 'dependency is down')).toMatchObject({ dependency: 'database' })
  })

  test('a dependency that never answers is down, in time', async () => {
    const { server } = await start({ health: { stuck: () => new Promise(() => {}) } })
    const began = performance.now()
    expect((await server.healthReport()).dependencies.stuck?.status).toBe('down')
    expect(performance.now() - began).toBeLessThan(4_000)
  })

  test('started once, whatever readiness says later', async () => {
    let reason: string | undefined = 'loading'
    const { port } = await start({ ready: async () => reason })
    expect((await ask(port, '/startupz')).json()).toEqual({ status: 'starting', reason: 'loading' })
    expect((await ask(port, '/readyz')).json()).toEqual({ status: 'unready', reason: 'loading' })
    reason = undefined
    expect((await ask(port, '/startupz')).status).toBe(200)
    reason = 'slot lost'
    expect((await ask(port, '/startupz')).status).toBe(200)
    expect((await ask(port, '/readyz')).status).toBe(503)
  })

  test('metrics are counted by pattern, and made-up names never become labels', async () => {
    const { port } = await start()
    await ask(port, '/books/0193a6f0-1111-7000-8000-000000000001')
    await ask(port, '/books/17')
    await ask(port, '/secret-path-1')
    await ask(port, '/books/%zz')
    await ask(port, '/me', { method: 'PROPFIND' })
    const { text, headers } = await ask(port, '/metrics')
    expect(headers['content-type']).toContain('text/plain')
    expect(text).toContain('http_requests_total{method="GET",route="/books/:id",status="200",service="payments"} 1')
    expect(text).toContain('http_requests_total{method="GET",route="/books/:id",status="404",service="payments"} 1')
    expect(text).toContain('http_errors_total{method="GET",route="(none)",status="404",service="payments"} 1')
    expect(text).toContain('http_errors_total{method="GET",route="(none)",status="400",service="payments"} 1')
    expect(text).toContain('http_requests_total{method="_OTHER",route="(none)",status="404",service="payments"} 1')
    expect(text).toContain(
      'http_request_duration_seconds_bucket{le="0.005",service="payments",method="GET",route="/books/:id",status="200"}',
    )
    expect(text).not.toMatch(/secret-path|PROPFIND/)
  })

  test('metrics are for the public only where that is said', async () => {
    const { port } = await start({ metricsPublic: false })
    expect((await ask(port, '/metrics')).status).toBe(404)
  })

  test('one log line per request, with what joins it to everything else and without the query', async () => {
    const { port, runtime } = await start()
    await ask(port, '/me?token=secret', { headers: { authorization: 'Bearer good', 'x-request-id': 'line-1' } })
    await until(() => runtime.logs.some((line) => line.correlationId === 'line-1'))
    const line = runtime.logs.find((log) => log.correlationId === 'line-1')
    expect(line).toMatchObject({
      level: 'info',
      service: 'payments-service',
      message: 'request',
      method: 'GET',
      path: '/me',
      route: '/me',
      status: 200,
      userId: caller.userId,
      traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
      duration: expect.stringMatching(/^\d+ms$/),
    })
    expect(JSON.stringify(runtime.logs)).not.toContain('secret')
  })
})

describe('in process, behind another server', () => {
  test('the same routes without a socket of its own, with what the one in front knows', async () => {
    const inner = await start()
    const front = createServer((request, response) =>
      inner.server.handle(request, response, {
        ip: '203.0.113.9',
        requestId: 'front-1',
        caller: { ...caller, permissions: ['audit:read'] },
      }),
    )
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
    const { port } = front.address() as { port: number }
    try {
      const me = await ask(port, '/me', { headers: { 'x-request-id': 'ignored' } })
      expect([me.status, me.json(), me.headers['x-request-id']]).toEqual([
        200,
        { userId: caller.userId, ip: '203.0.113.9' },
        'front-1',
      ])
      expect((await ask(port, '/audit')).status).toBe(204)
      expect((await ask(port, '/echo', { json: { title: 'a', x: 1 } })).json()).toMatchObject({
        code: 'validation_failed',
      })
      expect((await ask(port, '/nowhere')).status).toBe(404)
      expect((await ask(port, '/echo', { body: '[', headers: { 'content-type': 'application/json' } })).status).toBe(
        400,
      )
    } finally {
      front.close()
    }
  })

  test('the one in front writes the log line, and is told what became of the request', async () => {
    const inner = await start()
    const seen: Progress[] = []
    const headers = { 'x-from': 'front', 'cache-control': 'private' }
    const front = createServer((request, response) =>
      seen.push(inner.server.handle(request, response, { requestId: 'front-2', headers, logged: true })),
    )
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
    const { port } = front.address() as { port: number }
    try {
      for (const path of ['/me', '/nowhere', '/livez']) {
        const reply = await ask(port, path)
        expect([reply.headers['x-from'], reply.headers['x-request-id']]).toEqual(['front', 'front-2'])
      }
      expect(seen.map(({ route, code }) => [route, code])).toEqual([
        ['/me', 'access_token_invalid'],
        ['(none)', 'not_found'],
        ['/livez', undefined],
      ])
      expect((await ask(port, '/livez')).headers['cache-control']).toBe('no-store')
      expect(inner.runtime.logs.filter(({ message }) => message === 'request')).toEqual([])
      expect(await inner.runtime.metrics('payments').registry.metrics()).toMatch(/http_requests_total\{[^}]*"\/me"/)
    } finally {
      front.close()
    }
  })

  test('its end waits for what was handed in', async () => {
    const inner = await start()
    const front = createServer((request, response) => inner.server.handle(request, response))
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve))
    const reply = ask((front.address() as { port: number }).port, '/slow', { method: 'POST' })
    await until(() => inner.release.length === 1)
    let over = false
    const closed = inner.server.close().then(() => {
      over = true
    })
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect(over).toBe(false)
    inner.release[0]?.()
    expect((await reply).status).toBe(200)
    await closed
    front.close()
  })

  test('a caller that comes in a header is nobody', async () => {
    const { port } = await start()
    expect(
      (await ask(port, '/me', { headers: { 'x-user-id': caller.userId, caller: JSON.stringify(caller) } })).status,
    ).toBe(401)
  })
})

describe('composition', () => {
  test('a route that needs a caller needs an authenticator, a code must be in the table', async () => {
    await expect(startServer({ authenticator: undefined })).rejects.toThrow(/authenticator/)
    await expect(startServer({ errors: {} })).rejects.toThrow(/not in its service's table/)
  })

  test('two servers on one runtime do not disturb each other', async () => {
    const one = await start()
    const two = await start()
    await one.server.close()
    expect((await ask(two.port, '/livez')).status).toBe(200)
  })
})
