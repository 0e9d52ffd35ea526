import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openRig, type Rig } from '../test/fixture.ts'

describe('pages', () => {
  let rig: Rig
  const get = (path: string) => fetch(rig.url + path)
  const post = (path: string, form: Record<string, string> | string, type = 'application/x-www-form-urlencoded') =>
    fetch(rig.url + path, {
      method: 'POST',
      headers: { 'content-type': type },
      body: typeof form === 'string' ? form : new URLSearchParams(form).toString(),
    })

  beforeAll(async () => {
    rig = await openRig({ settings: { requestsPerMinute: 10_000 } })
  })
  afterAll(() => rig.close())

  test('every page allows its own inline style alone, loads nothing and is kept nowhere', async () => {
    const nonces = new Set<string>()
    for (const path of ['/', '/dev/mailbox', '/verify-email?token=abc', '/reset-password?token=abc', '/verify-email']) {
      const response = await get(path)
      const text = await response.text()
      const policy = response.headers.get('content-security-policy') ?? ''
      const nonce = /style-src 'nonce-([^']+)'/.exec(policy)?.[1] ?? ''
      expect(text).toContain(`<style nonce="${nonce}">`)
      nonces.add(nonce)
      expect(policy).toContain("default-src 'none'")
      expect(policy).not.toMatch(/unsafe|script-src/)
      expect(text).not.toMatch(/<script|<link|<img|@import|url\(|\son\w+=/i)
      expect(response.headers.get('referrer-policy')).toBe('no-referrer')
      expect(response.headers.get('cache-control')).toBe('no-store')
      expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8')
    }
    expect(nonces.size).toBe(5)
  })

  test('the first page links what is there', async () => {
    const links = [...(await (await get('/')).text()).matchAll(/href="([^"]+)"/g)].map(([, link]) => link ?? '')
    expect(links).toEqual(['/health', '/docs', '/openapi.json', '/metrics', '/dev/mailbox'])
    for (const link of links) expect([link, (await get(link)).status]).toEqual([link, 200])
  })

  describe('a link in a mail', () => {
    test('opening it changes nothing, the form needs no script', async () => {
      const text = await (await get('/verify-email?token=fresh')).text()
      expect(text).toContain('<form method="post" action="/verify-email">')
      expect(text).toContain('<input type="hidden" name="token" value="fresh">')
      await fetch(`${rig.url}/verify-email?token=fresh`, { method: 'HEAD' })
      expect(rig.links).toEqual([])
    })

    test('a token is escaped, never markup', async () => {
      const text = await (await get('/verify-email?token=%22%3E%3Cb%3E')).text()
      expect(text).toContain('value="&quot;&gt;&lt;b&gt;"')
    })

    test.each([
      '/verify-email',
      '/verify-email?token=',
      '/verify-email?token=a&token=b',
      '/verify-email?token=%00',
      `/verify-email?token=${'x'.repeat(1025)}`,
    ])('%s is told to be incomplete', async (path) => {
      const response = await get(path)
      expect([response.status, await response.text()]).toEqual([400, expect.stringContaining('not complete')])
    })

    test('the form confirms', async () => {
      const response = await post('/verify-email', { token: 'fresh' })
      expect([response.status, await response.text()]).toEqual([200, expect.stringContaining('is confirmed')])
      expect(rig.links.at(-1)).toEqual({ path: 'verify', token: 'fresh' })
    })

    test('a used link, a fault of ours, a foreign form and a huge one each get a page', async () => {
      const cases = [
        [await post('/verify-email', { token: 'used' }), 400, 'no longer valid'],
        [await post('/verify-email', { token: 'broken' }), 503, 'try again'],
        [await post('/verify-email', { other: 'x' }), 400, 'not complete'],
        [await post('/verify-email', '{"token":"fresh"}', 'application/json'), 415, 'only its own form'],
        [await post('/verify-email', { token: 'x'.repeat(9_000) }), 413, 'only its own form'],
      ] as const
      for (const [response, status, text] of cases) {
        expect([response.status, await response.text()]).toEqual([status, expect.stringContaining(text)])
        expect(response.headers.get('content-type')).toContain('text/html')
      }
    })

    test('a new password: refused with its reasons and asked again, then set', async () => {
      expect(await (await get('/reset-password?token=t1')).text()).toContain('type="password"')
      const weak = await post('/reset-password', { token: 't1', newPassword: 'short' })
      const text = await weak.text()
      expect([weak.status, text]).toEqual([422, expect.stringContaining('Use at least 8 characters.')])
      expect(text).toContain('value="t1"')
      expect(text).not.toContain('"short"')
      const set = await post('/reset-password', { token: 't1', newPassword: 'long enough' })
      expect([set.status, await set.text()]).toEqual([200, expect.stringContaining('new password is set')])
      expect(rig.links.at(-1)).toEqual({ path: 'reset', token: 't1', newPassword: 'long enough' })
    })

    test('the call of auth carries the request id and the address of the person', async () => {
      const headers = { 'content-type': 'application/x-www-form-urlencoded', 'x-request-id': 'click-1' }
      await fetch(`${rig.url}/verify-email`, { method: 'POST', headers, body: 'token=fresh' })
      expect(rig.seen.at(-1)).toMatchObject({ headers: { 'x-request-id': 'click-1' }, ip: '127.0.0.1' })
    })

    test('no token or password is in any log line', () => {
      expect(rig.logs.length).toBeGreaterThan(10)
      expect(JSON.stringify(rig.logs)).not.toMatch(/\b(?:fresh|used)\b|long enough|token=/)
    })
  })

  describe('development', () => {
    test('the mailbox as JSON', async () => {
      const all = (await (await get('/dev/mailbox/messages')).json()) as { data: object[] }
      expect(all.data).toHaveLength(2)
      const one = (await (await get('/dev/mailbox/messages?to=bob%40example.com&limit=5')).json()) as { data: object[] }
      expect(one.data).toEqual([
        expect.objectContaining({ to: 'bob@example.com', headers: { 'message-id': '<1@ashlar>' }, handOvers: 1 }),
      ])
      expect((await get('/dev/mailbox/messages?limit=101')).status).toBe(400)
    })

    test('the mailbox as a page shows mails as text', async () => {
      const text = await (await get('/dev/mailbox?to=ada@example.com')).text()
      expect(text).toContain('&lt;b&gt;Confirm&lt;/b&gt;')
      expect(text).toContain('href="http://localhost:3000/verify-email?token=fresh"')
      expect(text).not.toMatch(/href="javascript:|<b>Confirm|bob@example/)
    })

    test('what the sandbox provider recorded', async () => {
      const id = '0193f6f0-0000-7000-8000-000000000009'
      expect(await (await get(`/dev/sandbox/charges?transactionId=${id}`)).json()).toMatchObject({
        data: [{ transactionId: id, kind: 'charge', receivedCount: 1 }],
      })
      expect((await get('/dev/sandbox/charges')).status).toBe(400)
    })
  })
})
