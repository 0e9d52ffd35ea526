import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask } from '../test/ask.ts'
import { openRig, type Rig, rawRequest } from '../test/fixture.ts'

const ORIGIN = 'https://app.example.com'

describe('cross-origin requests', () => {
  let rig: Rig
  beforeAll(async () => {
    rig = await openRig({ settings: { corsOrigins: [ORIGIN, 'http://localhost:5173'], requestsPerMinute: 1_000 } })
  })
  afterAll(() => rig.close())

  test('a listed origin may read answers, refusals and their headers, with credentials', async () => {
    for (const path of ['/payments', '/auth/validate', '/nothing', '/payments//x', '/health', '/openapi.json']) {
      const { headers } = await ask(rig.port, path, { headers: { origin: ORIGIN } })
      expect([path, headers['access-control-allow-origin']]).toEqual([path, ORIGIN])
      expect(headers['access-control-allow-credentials']).toBe('true')
      expect(headers.vary).toContain('Origin')
      for (const name of [
        'RateLimit',
        'Retry-After',
        'X-Request-ID',
        'Location',
        'ETag',
        'Link',
        'Idempotent-Replayed',
      ]) {
        expect(headers['access-control-expose-headers']?.split(', ')).toContain(name)
      }
    }
  })

  test.each([undefined, 'null', 'https://evil.example', `${ORIGIN}.evil.example`, 'http://app.example.com', '*'])(
    'the origin %s may not, and caches are told that answers differ',
    async (origin) => {
      const { status, headers } = await ask(rig.port, '/payments', { headers: { ...(origin && { origin }) } })
      expect(status).toBe(200)
      expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([])
      expect(headers.vary).toBe('Origin')
    },
  )

  const preflight = (origin: string, path = '/payments/create', method = 'POST') =>
    ask(rig.port, path, {
      method: 'OPTIONS',
      headers: {
        origin,
        'access-control-request-method': method,
        'access-control-request-headers': 'authorization,idempotency-key',
      },
    })

  test('a preflight is answered at the edge, uncounted and without a token', async () => {
    const before = rig.seen.length
    const { status, headers, text } = await preflight('http://localhost:5173', '/auth/profile', 'PATCH')
    expect([status, text]).toEqual([204, ''])
    expect(headers['access-control-allow-origin']).toBe('http://localhost:5173')
    expect(headers['access-control-allow-methods']).toContain('PATCH')
    expect(headers['access-control-allow-headers']).toMatch(/Authorization.*Idempotency-Key.*If-Match/)
    expect(headers['access-control-max-age']).toBe('600')
    expect(headers.vary).toContain('Access-Control-Request-Method')
    expect(headers.ratelimit).toBeUndefined()
    expect(rig.seen.length).toBe(before)
  })

  test('a preflight of another origin, and an OPTIONS that is none, are requests like any other', async () => {
    const other = await preflight('https://evil.example')
    expect([other.status, other.headers['access-control-allow-origin']]).toEqual([404, undefined])
    const plain = await ask(rig.port, '/payments/create', { method: 'OPTIONS', headers: { origin: ORIGIN } })
    expect([plain.status, plain.headers['access-control-allow-origin']]).toEqual([404, ORIGIN])
  })

  test('a preflight does not get past the host and the path', async () => {
    const bytes = (host: string, path: string) =>
      `OPTIONS ${path} HTTP/1.1\r\nHost: ${host}\r\nOrigin: ${ORIGIN}\r\nAccess-Control-Request-Method: GET\r\n\r\n`
    expect((await rawRequest(rig.port, bytes('evil.example', '/payments'))).status).toBe(421)
    expect((await rawRequest(rig.port, bytes('localhost', '/payments/../x'))).status).toBe(400)
  })

  test('without a list nothing is said', async () => {
    const bare = await openRig()
    const { headers } = await ask(bare.port, '/payments', { headers: { origin: ORIGIN } })
    await bare.close()
    expect(Object.keys(headers).filter((name) => name.startsWith('access-control') || name === 'vary')).toEqual([])
  })
})

describe('content security policy', () => {
  const report = (rig: Rig, body: unknown, type: string, path = '/csp-report/') =>
    ask(rig.port, path, {
      method: 'POST',
      headers: { 'content-type': type },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
  const old = {
    'csp-report': {
      'document-uri': 'https://a.example/reset-password?token=planted',
      'effective-directive': 'script-src-elem',
      'blocked-uri': 'https://evil.example/planted.js',
      'script-sample': 'planted',
      'status-code': 200,
    },
  }
  const modern = [
    {
      type: 'csp-violation',
      age: 1,
      url: 'https://a.example/planted',
      body: { effectiveDirective: 'img-src', blockedURL: 'data', disposition: 'report' },
    },
    { type: 'deprecation', body: {} },
    { type: 'csp-violation', body: { effectiveDirective: 'planted-directive' } },
  ]

  let rig: Rig
  beforeAll(async () => {
    rig = await openRig({ settings: { requestsPerMinute: 1_000, endpointLimits: 'csp-report=20/60' } })
  })
  afterAll(() => rig.close())

  test('reports of both forms are taken, counted by bounded labels and logged without what they quote', async () => {
    expect((await report(rig, old, 'application/csp-report')).status).toBe(204)
    expect((await report(rig, modern, 'application/reports+json', '/csp-report')).status).toBe(204)
    expect((await report(rig, old, 'application/json', '/api/csp-report/')).status).toBe(204)
    const metrics = (await ask(rig.port, '/metrics')).text
    expect(metrics).toContain(
      'csp_violations_total{directive="script-src-elem",disposition="enforce",service="gateway"} 2',
    )
    expect(metrics).toContain('csp_violations_total{directive="img-src",disposition="report",service="gateway"} 1')
    expect(metrics).toContain('csp_violations_total{directive="other",disposition="enforce",service="gateway"} 1')
    const lines = rig.logs.filter(({ message }) => message === 'a content security policy was broken')
    expect(lines).toHaveLength(4)
    expect(lines[0]).toMatchObject({
      directive: 'script-src-elem',
      blocked: 'https://evil.example',
      page: '/reset-password',
    })
    expect(JSON.stringify(rig.logs)).not.toContain('planted')
  })

  test.each<[unknown, string, number]>([
    ['{', 'application/csp-report', 400],
    [{}, 'application/csp-report', 400],
    [{ 'csp-report': 1 }, 'application/csp-report', 400],
    ['[]x', 'application/reports+json', 400],
    [Array.from({ length: 101 }, () => ({ type: 'a' })), 'application/reports+json', 400],
    [old, 'text/plain', 415],
    [`{"csp-report":{"a":"${'x'.repeat(140_000)}"}}`, 'application/csp-report', 413],
  ])('what is no report is refused (%#)', async (body, type, status) => {
    expect((await report(rig, body, type)).status).toBe(status)
  })

  test('they are limited, and nothing else answers there', async () => {
    const answers = await Promise.all(Array.from({ length: 30 }, () => report(rig, old, 'application/csp-report')))
    expect(answers.some(({ status }) => status === 429)).toBe(true)
    expect((await ask(rig.port, '/csp-report/')).status).toBe(404)
  })

  test('pages send their reports there; with report-only nothing is stopped, on pages as on answers', async () => {
    const enforced = (await ask(rig.port, '/')).headers
    expect(enforced['content-security-policy']).toMatch(/report-uri \/csp-report\/; report-to csp$/)
    expect(enforced['reporting-endpoints']).toBe('csp="/csp-report/"')
    const lenient = await openRig({ settings: { cspReportOnly: true } })
    for (const path of ['/', '/docs', '/verify-email?token=a', '/payments', '/nothing', '/payments//']) {
      const { headers } = await ask(lenient.port, path)
      expect([path, headers['content-security-policy']]).toEqual([path, undefined])
      expect(headers['content-security-policy-report-only']).toContain("default-src 'none'")
      const nonced = path === '/' || path === '/docs' || path.startsWith('/verify')
      expect(headers['content-security-policy-report-only']?.includes('nonce-')).toBe(nonced)
    }
    await lenient.close()
  })
})
