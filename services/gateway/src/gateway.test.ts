import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { caller, openRig, type Rig } from '../test/fixture.ts'

const json = async (response: Response) => (await response.json()) as Record<string, unknown>
type OpenApi = { openapi: string; paths: object; components: { schemas: object } }

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

describe('gateway', () => {
  let rig: Rig
  const get = (path: string, init?: RequestInit) => fetch(rig.url + path, init)

  beforeAll(async () => {
    rig = await openRig({ settings: { requestsPerMinute: 10_000 } })
  })
  afterAll(() => rig.close())

  describe('routing', () => {
    test.each([
      ['/payments', 'none'],
      ['/api/payments', 'none'],
      ['/payments/', 'none'],
      ['/payments/p%2D1', 'p-1'],
      ['/payments/%C3%A9', 'é'],
    ])('%s reaches its service', async (path, text) => {
      expect(await json(await get(path))).toEqual({ text })
    })

    test('the service sees the canonical path with the query untouched', async () => {
      await get('/api/payments/a%41%3a?q=%2e%2e;x')
      expect(rig.seen.at(-1)?.url).toBe('/payments/aA:?q=%2e%2e;x')
    })

    test('a body passes through', async () => {
      const init = {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ text: 'hi' }),
      }
      const response = await get('/payments/create', init)
      expect([response.status, await json(response)]).toEqual([201, { text: 'hi' }])
    })

    test.each(['/nothing', '/authors', '/api', '/api/api/payments', '/PAYMENTS'])(
      '%s is not a service',
      async (path) => {
        const response = await get(path)
        if (path === '/api') return expect(response.headers.get('content-type')).toContain('text/html')
        expect(response.status).toBe(404)
        expect(await json(response)).toMatchObject({
          code: 'not_found',
          detail: expect.stringContaining('/openapi.json'),
        })
      },
    )

    test('an unknown route of a known service is answered by the service', async () => {
      expect(await json(await get('/payments/a/b'))).toMatchObject({ status: 404, code: 'not_found' })
    })
  })

  describe('identity', () => {
    test('a good token reaches the service as the caller', async () => {
      expect(await json(await get('/auth/validate', bearer('good')))).toEqual({ userId: caller.userId })
    })

    test.each([
      ['bad', 'access_token_invalid'],
      ['stale', 'access_token_stale'],
      ['', 'access_token_invalid'],
    ])('the token "%s" is refused before any service sees it', async (token, code) => {
      const before = rig.seen.length
      const response = await get('/auth/validate', { headers: { authorization: `bearer ${token}` } })
      expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Bearer error="invalid_token"'])
      expect(await json(response)).toMatchObject({
        code,
        instance: '/auth/validate',
        type: `urn:ashlar:problem:${code}`,
      })
      expect(rig.seen.length).toBe(before)
    })

    test.each(['bad', 'stale', 'unsure', 'crash', 'good'])(
      'on a public route the token "%s" is neither asked about nor believed',
      async (token) => {
        expect((await get('/payments', bearer(token))).status).toBe(200)
        const logged = async () => rig.logs.filter(({ path }) => path === '/payments').at(-1)
        expect(await logged()).not.toHaveProperty('userId')
        const head = await get('/.well-known/jwks.json', { ...bearer(token), method: 'HEAD' })
        expect(head.status).toBe(200)
      },
    )

    test('a path that no route has is not public', async () => {
      expect((await get('/payments/a/b', bearer('bad'))).status).toBe(401)
    })

    test('a token that cannot be judged now is neither taken nor refused for good', async () => {
      const unsure = await get('/auth/validate', bearer('unsure'))
      expect([unsure.status, unsure.headers.get('retry-after')]).toEqual([503, expect.stringMatching(/^\d+$/)])
      expect(await json(unsure)).toMatchObject({ code: 'dependency_unavailable' })
      const crash = await get('/auth/validate', bearer('crash'))
      expect([crash.status, await crash.text()]).toEqual([500, expect.not.stringContaining('secret cause')])
    })

    test('without a token the service decides', async () => {
      expect((await get('/payments')).status).toBe(200)
      expect(await json(await get('/auth/validate'))).toMatchObject({ status: 401, code: 'access_token_invalid' })
    })

    test('a bad token does not shut the door to health', async () => {
      expect((await get('/health', bearer('bad'))).status).toBe(200)
    })

    test('fields that claim an identity, an address or another path do not come through', async () => {
      const hostile = {
        'x-user-id': 'root',
        'X-User-Roles': 'admin',
        'ashlar-claims': 'x',
        'x-forwarded-user': 'root',
        'remote-user': 'root',
        'x-forwarded-for': '10.0.0.1',
        forwarded: 'for=10.0.0.1',
        'x-real-ip': '10.0.0.1',
        'x-original-url': '/audit',
        x_user_id: 'root',
      }
      const kept = { 'x-auth-mode': 'cookie', 'ashlar-signature': 't=1,v1=2', 'idempotency-key': 'k' }
      await get('/payments', { headers: { ...hostile, ...kept } })
      const { headers = {}, rawHeaders = [], ip } = rig.seen.at(-1) ?? {}
      for (const name of Object.keys(hostile)) expect(headers).not.toHaveProperty([name.toLowerCase()])
      expect(rawHeaders.join(' ')).not.toMatch(/root|10\.0\.0\.1|audit/)
      expect(headers).toMatchObject(kept)
      expect(ip).toBe('127.0.0.1')
    })
  })

  describe('request id and trace', () => {
    test('a fitting id and the trace are kept, passed on and logged', async () => {
      const trace = '0af7651916cd43dd8448eb211c80319c'
      const headers = { 'x-request-id': 'order-1.a_B', traceparent: `00-${trace}-b7ad6b7169203331-01` }
      const response = await get('/payments/x?secret=1', { headers })
      expect(response.headers.get('x-request-id')).toBe('order-1.a_B')
      expect(rig.seen.at(-1)?.headers).toMatchObject({
        'x-request-id': 'order-1.a_B',
        traceparent: expect.stringContaining(trace),
      })
      const lines = rig.logs.filter((line) => line.correlationId === 'order-1.a_B')
      expect(lines).toHaveLength(1)
      expect(lines[0]).toMatchObject({
        service: 'gateway-service',
        traceId: trace,
        method: 'GET',
        path: '/payments/x',
        route: '/payments/{id}',
        status: 200,
        duration: expect.stringMatching(/^\d+ms$/),
      })
      expect(JSON.stringify(rig.logs)).not.toContain('secret=1')
    })

    test.each(['a b', 'x'.repeat(129), '<script>'])('the unfitting id "%s" is replaced', async (offered) => {
      const made = (await get('/payments', { headers: { 'x-request-id': offered } })).headers.get('x-request-id')
      expect(made).toMatch(/^[0-9a-f-]{36}$/)
    })
  })

  test('answers carry the security headers, of services, of the gateway, and of refusals', async () => {
    for (const path of ['/payments', '/health', '/nothing']) {
      const { headers } = await get(path)
      expect(headers.get('content-security-policy')).toContain("default-src 'none'")
      expect(headers.get('x-content-type-options')).toBe('nosniff')
      expect(headers.get('cross-origin-resource-policy')).toBe('same-origin')
      expect(headers.get('referrer-policy')).toBe('no-referrer')
      expect(headers.get('x-powered-by')).toBeNull()
      expect(headers.get('cache-control')).toBe('no-store')
    }
  })

  describe('operations', () => {
    test('health of all and of each', async () => {
      const all = await json(await get('/health'))
      expect(all).toMatchObject({
        status: 'ok',
        dependencies: { auth: { status: 'up' }, audit: { status: 'up' } },
        services: { payments: { dependencies: { database: { status: 'up', latencyMs: expect.any(Number) } } } },
      })
      for (const name of ['auth', 'payments', 'notifications', 'audit']) {
        expect(await json(await get(`/health/${name}`))).toMatchObject({ status: 'ok', service: name })
      }
      expect((await get('/health/realtime')).status).toBe(404)
    })

    test('a service that is down shows in health and readiness, not in liveness', async () => {
      expect((await get('/readyz')).status).toBe(200)
      rig.down.add('payments')
      const [all, one, ready, live] = await Promise.all(
        ['/health', '/health/payments', '/readyz', '/livez'].map((path) => get(path)),
      )
      rig.down.delete('payments')
      expect([all?.status, one?.status, ready?.status, live?.status]).toEqual([503, 503, 503, 200])
      expect(await json(all as Response)).toMatchObject({
        status: 'degraded',
        dependencies: { payments: { status: 'down' }, auth: { status: 'up' } },
      })
      expect(await json(ready as Response)).toMatchObject({ reason: 'payments: the database is away' })
    })

    test('metrics of all services in one text, each name once, routes as patterns', async () => {
      for (const id of ['one', 'two', 'three']) await get(`/payments/${id}`)
      await get(`/nothing-${Math.random()}`)
      const response = await get('/metrics')
      const text = await response.text()
      expect(response.headers.get('content-type')).toContain('text/plain')
      expect(text.match(/^# TYPE http_requests_total /gm)).toHaveLength(1)
      expect(text).toMatch(/http_requests_total\{[^}]*route="\/payments\/\{id\}"[^}]*service="gateway"/)
      expect(text).toMatch(/http_requests_total\{[^}]*service="payments"/)
      expect(text).toMatch(/http_requests_total\{[^}]*route="\(none\)"[^}]*service="gateway"/)
      expect(text).not.toMatch(/nothing-|\/payments\/one/)
    })

    test('each request counts once in the gateway, its own endpoints too', async () => {
      const count = async () => {
        const text = await (await get('/metrics')).text()
        const line = /^http_requests_total\{method="GET",route="\/livez",status="200",service="gateway"\} (\d+)$/m.exec(
          text,
        )
        return Number(line?.[1])
      }
      await get('/livez')
      const before = await count()
      await get('/livez')
      expect((await count()) - before).toBe(1)
    })

    test.each([
      ['/livez', '/livez'],
      ['/health/payments', '/health/{service}'],
      ['/dev/mailbox/messages?limit=1', '/dev/mailbox/messages'],
      ['/metrics', '/metrics'],
      ['/health/a/b', '(none)'],
    ])('the log line of %s has the route %s, and there is one line', async (path, route) => {
      const requestId = `route-${Math.random()}`
      await get(path, { headers: { 'x-request-id': requestId } })
      await expect
        .poll(() => rig.logs.filter((line) => line.correlationId === requestId))
        .toEqual([expect.objectContaining({ service: 'gateway-service', route, message: 'request' })])
    })

    test('what a service refused with stands in the log line of the gateway', async () => {
      await get('/auth/validate', { headers: { 'x-request-id': 'refused-1' } })
      await expect
        .poll(() => rig.logs.filter((line) => line.correlationId === 'refused-1'))
        .toEqual([expect.objectContaining({ code: 'access_token_invalid', status: 401 })])
    })

    test('one OpenAPI document: all routes, every reference resolves, equal names of unequal shapes kept apart', async () => {
      const document = (await json(await get('/openapi.json'))) as OpenApi
      const text = JSON.stringify(document)
      expect(document.openapi).toBe('3.1.0')
      expect(Object.keys(document.paths)).toEqual(
        expect.arrayContaining([
          '/auth/validate',
          '/payments/{id}',
          '/health/{service}',
          '/readyz',
          '/metrics',
          '/dev/mailbox/messages',
        ]),
      )
      const schemas = Object.keys(document.components.schemas)
      const references = [...text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)].map(([, name]) => name)
      expect(references.length).toBeGreaterThan(0)
      for (const name of references) expect(schemas).toContain(name)
      const operations = [...text.matchAll(/"operationId":"([^"]+)"/g)].map(([, id]) => id)
      expect(new Set(operations).size).toBe(operations.length)
      expect(text).not.toMatch(/"\/verify-email"|"\/dev\/mailbox"/)
    })
  })
})

describe('request limit', () => {
  test('counts per address, tells the client, and spares health and /dev', async () => {
    const rig = await openRig({ settings: { requestsPerMinute: 3 } })
    try {
      const first = await fetch(`${rig.url}/payments`)
      expect(first.headers.get('ratelimit-policy')).toBe('"ip";q=3;w=60')
      expect(first.headers.get('ratelimit')).toBe('"ip";r=2;t=60')
      expect(first.headers.get('x-ratelimit-remaining')).toBe('2')
      await fetch(`${rig.url}/nothing`)
      await fetch(`${rig.url}/`)
      const refused = await fetch(`${rig.url}/payments`)
      expect(refused.status).toBe(429)
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(55)
      expect(await refused.json()).toMatchObject({ code: 'rate_limited' })
      for (const path of ['/health', '/livez', '/readyz', '/dev/mailbox/messages']) {
        const spared = await fetch(rig.url + path)
        expect([path, spared.status, spared.headers.get('ratelimit')]).toEqual([path, 200, null])
      }
    } finally {
      await rig.close()
    }
  })

  test('can be switched off', async () => {
    const rig = await openRig({ settings: { requestsPerMinute: 1, rateLimitEnabled: false } })
    try {
      for (let at = 0; at < 3; at += 1) expect((await fetch(`${rig.url}/payments`)).status).toBe(200)
    } finally {
      await rig.close()
    }
  })
})

describe('in production', () => {
  test('metrics are on the management port alone, /dev is not there, and localhost is no host of ours', async () => {
    const rig = await openRig({
      environment: 'production',
      publicUrl: 'https://api.example.com',
      settings: { managementPort: 0, allowedHosts: ['127.0.0.1:*'] },
    })
    const management = `http://127.0.0.1:${rig.managementPort}`
    try {
      expect((await fetch(`${rig.url}/metrics`)).status).toBe(404)
      expect((await fetch(`${rig.url}/dev/mailbox/messages`)).status).toBe(404)
      expect((await fetch(`http://localhost:${rig.port}/livez`)).status).toBe(421)
      expect(await (await fetch(`${rig.url}/`)).text()).not.toMatch(/metrics|mailbox/i)
      const metrics = await fetch(`${management}/metrics`)
      expect(await metrics.text()).toContain('http_requests_total')
      expect((await fetch(`${management}/readyz`)).status).toBe(200)
      expect((await fetch(`${management}/payments`)).status).toBe(404)
    } finally {
      await rig.close()
    }
  })
})
