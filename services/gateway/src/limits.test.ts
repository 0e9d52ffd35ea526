import { ConfigurationError, loadSettings } from '@ashlar/platform/config'
import { describe, expect, test } from 'vitest'
import { ask } from '../test/ask.ts'
import { openRig, type Rig, type RigOptions } from '../test/fixture.ts'
import { gatewaySettings } from './index.ts'

const withRig = async (options: RigOptions, work: (rig: Rig) => Promise<void>) => {
  const rig = await openRig(options)
  try {
    await work(rig)
  } finally {
    await rig.close()
  }
}

const bearer = { authorization: 'Bearer good' }

describe('limits', () => {
  test('of an endpoint: counted per address beside the general one, and the nearest to its end is told', async () => {
    await withRig({ settings: { trustedProxies: ['127.0.0.1'] } }, async ({ port }) => {
      const call = (from: string) =>
        ask(port, '/notifications/seldom', { method: 'POST', headers: { 'x-forwarded-for': from } })
      const first = await call('203.0.113.1')
      expect([first.status, first.headers['ratelimit-policy'], first.headers.ratelimit]).toEqual([
        200,
        '"seldom";q=2;w=60',
        '"seldom";r=1;t=60',
      ])
      await call('203.0.113.1')
      const refused = await call('203.0.113.1')
      expect([refused.status, refused.code, refused.headers['x-ratelimit-remaining']]).toEqual([
        429,
        'rate_limited',
        '0',
      ])
      expect(Number(refused.headers['retry-after'])).toBeGreaterThan(50)
      expect((await call('203.0.113.2')).status).toBe(200)
      const other = await ask(port, '/notifications/short', { headers: { 'x-forwarded-for': '203.0.113.1' } })
      expect([other.status, other.headers['ratelimit-policy']]).toEqual([200, '"ip";q=100;w=60'])
    })
  })

  test('exactly the quota passes, however many ask at once', async () => {
    await withRig({ settings: { endpointLimits: 'seldom=7/60' } }, async ({ port }) => {
      const answers = await Promise.all(
        Array.from({ length: 30 }, () => ask(port, '/notifications/seldom', { method: 'POST' })),
      )
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(7)
      expect(answers.filter(({ status }) => status === 429)).toHaveLength(23)
    })
  })

  test('of a user: from all his addresses together, and nobody else is held up', async () => {
    const settings = { trustedProxies: ['127.0.0.1'], userRequestsPerMinute: 3 }
    await withRig({ settings }, async ({ port }) => {
      const call = (at: number, headers = {}) =>
        ask(port, '/auth/validate', { headers: { 'x-forwarded-for': `203.0.113.${at}`, ...headers } })
      for (const at of [1, 2, 3]) expect((await call(at, bearer)).headers['ratelimit-policy']).toBe('"user";q=3;w=60')
      const refused = await call(4, bearer)
      expect([refused.status, refused.code]).toEqual([429, 'rate_limited'])
      expect((await call(4)).status).toBe(401)
      const open = await ask(port, '/payments', { headers: { 'x-forwarded-for': '203.0.113.4', ...bearer } })
      expect([open.status, open.headers['ratelimit-policy']]).toEqual([200, '"ip";q=100;w=60'])
    })
  })

  test('made-up tokens count against their address before anybody checks them', async () => {
    await withRig({ settings: { requestsPerMinute: 2 } }, async ({ port }) => {
      const call = () => ask(port, '/auth/validate', { headers: { authorization: 'Bearer made-up' } })
      expect([(await call()).status, (await call()).status, (await call()).status]).toEqual([401, 401, 429])
    })
  })

  test('health, /dev and webhooks are exempt, all limits can be switched off', async () => {
    await withRig({ settings: { requestsPerMinute: 1 } }, async ({ port }) => {
      await ask(port, '/payments')
      expect((await ask(port, '/payments')).status).toBe(429)
      for (const path of ['/health', '/livez', '/dev/mailbox/messages', '/payments/webhooks/sandbox']) {
        const { status, headers } = await ask(port, path)
        expect([path, status === 429, headers.ratelimit]).toEqual([path, false, undefined])
      }
    })
    const off = {
      rateLimitEnabled: false,
      requestsPerMinute: 1,
      userRequestsPerMinute: 1,
      endpointLimits: 'seldom=1/60',
    }
    await withRig({ settings: off }, async ({ port }) => {
      for (let at = 0; at < 3; at += 1) {
        expect((await ask(port, '/auth/validate', { headers: bearer })).status).toBe(200)
        expect((await ask(port, '/notifications/seldom', { method: 'POST' })).headers.ratelimit).toBeUndefined()
      }
    })
  })
})

describe('configuration', () => {
  const load = (environment: Record<string, string>) =>
    loadSettings({ groups: { gateway: gatewaySettings }, environment, directory: '/nowhere' }).gateway

  test('a limit that no endpoint has is refused with those that there are', async () => {
    await expect(openRig({ settings: { endpointLimits: 'sedlom=1/60' } })).rejects.toThrow(
      /ASHLAR_RATE_LIMIT_ENDPOINTS: there is no sedlom, only csp-report, seldom/,
    )
  })

  test.each([
    ['ASHLAR_TRUSTED_PROXIES', '10.0.0.0/33'],
    ['ASHLAR_TRUSTED_PROXIES', '10.0.0.1/8'],
    ['ASHLAR_TRUSTED_PROXIES', 'my-proxy'],
    ['ASHLAR_CORS_ORIGINS', '*'],
    ['ASHLAR_CORS_ORIGINS', 'https://app.example.com/'],
    ['ASHLAR_RATE_LIMIT_ENDPOINTS', 'login=20'],
    ['ASHLAR_HTTPS_REDIRECT', 'yes'],
  ])('%s=%s is a mistake', (name, value) => {
    expect(() => load({ [name]: value })).toThrow(ConfigurationError)
    expect(() => load({ [name]: value })).toThrow(name)
  })

  test('lists are parted by commas', () => {
    const settings = load({
      ASHLAR_TRUSTED_PROXIES: '10.0.0.0/8, ::1',
      ASHLAR_CORS_ORIGINS: 'https://a.example,http://b.example',
    })
    expect(settings.trustedProxies).toEqual(['10.0.0.0/8', '::1'])
    expect(settings.corsOrigins).toEqual(['https://a.example', 'http://b.example'])
    const production = { ASHLAR_ENV: 'production' }
    expect(() => load({ ...production, ASHLAR_CORS_ORIGINS: 'http://b.example' })).toThrow(/must be https/)
  })
})
