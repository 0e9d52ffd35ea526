import { describe, expect, test } from 'vitest'
import { ask } from '../test/ask.ts'
import { openRig, type Rig, type RigOptions } from '../test/fixture.ts'
import type { Finding } from './application/ports.ts'

const withRig = async (options: RigOptions, work: (rig: Rig) => Promise<void>) => {
  const rig = await openRig(options)
  try {
    await work(rig)
  } finally {
    await rig.close()
  }
}

const trusted = { trustedProxies: ['127.0.0.0/8'] }

describe('behind a trusted proxy', () => {
  test('each client has a limit of its own, and services and logs see him', async () => {
    await withRig({ settings: { ...trusted, requestsPerMinute: 2 } }, async (rig) => {
      const from = (list: string) => ask(rig.port, '/payments', { headers: { 'x-forwarded-for': list } })
      expect((await from('203.0.113.1')).status).toBe(200)
      expect((await from('6.6.6.6, 203.0.113.1')).status).toBe(200)
      const refused = await from('7.7.7.7, 203.0.113.1')
      expect([refused.status, refused.code]).toEqual([429, 'rate_limited'])
      expect((await from('203.0.113.2')).status).toBe(200)
      for (const address of ['2001:db8:1:2::a', '2001:db8:1:2:ffff::b']) expect((await from(address)).status).toBe(200)
      expect((await from('2001:db8:1:2:1::c')).status).toBe(429)
      expect((await from('2001:db8:1:3::a')).status).toBe(200)
      expect(rig.addresses).toEqual([
        '203.0.113.1',
        '203.0.113.1',
        '203.0.113.2',
        '2001:db8:1:2::a',
        '2001:db8:1:2:ffff::b',
        '2001:db8:1:3::a',
      ])
      await expect.poll(() => rig.logs.filter(({ ip }) => ip === '203.0.113.1').length).toBe(3)
      expect(rig.seen.every(({ headers }) => !('x-forwarded-for' in headers))).toBe(true)
    })
  })

  test('a caller from elsewhere does not see /dev, whatever he forges', async () => {
    await withRig({ settings: trusted }, async ({ port }) => {
      const via = (list: string) => ask(port, '/dev/mailbox/messages', { headers: { 'x-forwarded-for': list } })
      expect((await via('203.0.113.1')).status).toBe(404)
      expect((await via('127.0.0.1, 203.0.113.1')).status).toBe(404)
      expect((await via('127.0.0.1')).status).toBe(200)
      expect((await ask(port, '/dev/mailbox/messages')).status).toBe(200)
    })
  })

  test('fields that contradict each other are not believed, and told of', async () => {
    const findings: Finding[] = []
    await withRig({ settings: trusted, report: (finding) => findings.push(finding) }, async (rig) => {
      const headers = { 'x-forwarded-for': '203.0.113.1', forwarded: 'for=203.0.113.2' }
      expect((await ask(rig.port, '/payments', { headers })).status).toBe(200)
      expect(rig.addresses).toEqual(['127.0.0.1'])
      expect(findings.map(({ code }) => code)).toEqual(['forwarding_conflict'])
    })
  })
})

describe('behind a proxy that nobody listed', () => {
  test('nothing that it forwards is believed; the operator is told once', async () => {
    const findings: Finding[] = []
    await withRig({ settings: { requestsPerMinute: 3 }, report: (finding) => findings.push(finding) }, async (rig) => {
      const from = (headers: Record<string, string>) => ask(rig.port, '/payments', { headers })
      await from({ 'x-forwarded-for': '203.0.113.1' })
      await from({ forwarded: 'for=203.0.113.2' })
      await from({ 'x-forwarded-proto': 'http', 'x-forwarded-for': '203.0.113.3' })
      expect((await from({ 'x-forwarded-for': '203.0.113.4' })).status).toBe(429)
      expect(rig.addresses).toEqual(['127.0.0.1', '127.0.0.1', '127.0.0.1'])
      expect(findings).toEqual([
        { code: 'untrusted_forwarder', detail: expect.stringContaining('ASHLAR_TRUSTED_PROXIES') },
      ])
      expect(rig.logs.filter(({ code }) => code === 'untrusted_forwarder')).toHaveLength(1)
    })
  })

  test('its clients do not count as callers on this machine', async () => {
    await withRig({}, async ({ port }) => {
      const answer = await ask(port, '/dev/mailbox/messages', { headers: { 'x-forwarded-for': '127.0.0.1' } })
      expect(answer.status).toBe(404)
    })
  })
})

describe('https', () => {
  const production: RigOptions = {
    environment: 'production',
    publicUrl: 'https://api.example.com',
    settings: { ...trusted, managementPort: 0 },
  }
  const via = (rig: Rig, path: string, proto?: string, method = 'GET', host = 'api.example.com') =>
    ask(rig.port, path, {
      method,
      headers: { host, 'x-forwarded-for': '203.0.113.1', ...(proto && { 'x-forwarded-proto': proto }) },
    })

  test('a request by http is sent to the public URL, whatever its method and Host, with its path and query', async () => {
    await withRig(
      { ...production, settings: { ...production.settings, allowedHosts: ['api.example.com', 'other.example.com'] } },
      async (rig) => {
        for (const method of ['GET', 'POST', 'DELETE', 'HEAD']) {
          const { status, headers } = await via(rig, '/api/payments/?q=1%202', 'http', method, 'other.example.com')
          expect([status, headers.location]).toEqual([308, 'https://api.example.com/payments?q=1%202'])
          expect(headers['strict-transport-security']).toBeUndefined()
        }
        expect(rig.seen).toEqual([])
        expect((await via(rig, '/payments', 'http', 'GET', 'evil.example')).status).toBe(421)
        expect((await via(rig, '//evil.example', 'http')).status).toBe(400)
      },
    )
  })

  test('health is answered by http too; https, and what no proxy told, is served', async () => {
    await withRig(production, async (rig) => {
      for (const path of ['/livez', '/readyz', '/health']) expect((await via(rig, path, 'http')).status).toBe(200)
      for (const proto of ['https', undefined]) {
        const { status, headers } = await via(rig, '/payments', proto)
        expect([status, headers['strict-transport-security']]).toEqual([200, 'max-age=31536000'])
      }
    })
  })

  test('both can be switched off', async () => {
    const settings = { ...production.settings, httpsRedirect: false, hstsSeconds: 0 }
    await withRig({ ...production, settings }, async (rig) => {
      const { status, headers } = await via(rig, '/payments', 'http')
      expect([status, headers['strict-transport-security']]).toEqual([200, undefined])
    })
  })

  test('neither is there where the public URL is http', async () => {
    await withRig({ settings: trusted }, async (rig) => {
      const { status, headers } = await via(rig, '/payments', 'http', 'GET', 'localhost')
      expect([status, headers['strict-transport-security']]).toEqual([200, undefined])
    })
  })
})
