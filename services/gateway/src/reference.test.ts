import { brotliDecompressSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask } from '../test/ask.ts'
import { openRig, type Rig, rawRequest } from '../test/fixture.ts'

describe('API reference', () => {
  let rig: Rig
  beforeAll(async () => {
    rig = await openRig({ settings: { requestsPerMinute: 1_000 } })
  })
  afterAll(() => rig.close())
  const get = (path: string, headers = {}) => ask(rig.port, path, { headers })

  test('the page loads files of this host alone, each with the nonce of its policy, and says nothing inline', async () => {
    for (const path of ['/docs', '/docs/', '/api/docs']) {
      const { status, headers, text } = await get(path)
      expect([status, headers['content-type'], headers['cache-control']]).toEqual([
        200,
        'text/html; charset=utf-8',
        'no-store',
      ])
      const policy = headers['content-security-policy'] as string
      const nonce = /script-src 'nonce-([^']+)'/.exec(policy)?.[1]
      expect(policy).toContain(`style-src 'nonce-${nonce}'`)
      expect(policy).toContain("default-src 'none'")
      expect(policy).toContain("connect-src 'self'")
      expect(policy).not.toMatch(/unsafe|https?:|\*/)
      const addresses = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, address = '']) => address)
      expect(addresses.length).toBe(5)
      for (const address of addresses) {
        expect(address).toMatch(/^\/(?!\/)/)
        expect([address, (await get(address)).status]).toEqual([address, 200])
      }
      for (const [tag] of text.matchAll(/<(?:script|link rel="stylesheet")[^>]*>/g))
        expect(tag).toContain(`nonce="${nonce}"`)
      expect(text).not.toMatch(/<script[^>]*>[^<]|<style|\son\w+=|style=/)
    }
    const nonces = await Promise.all([get('/docs'), get('/docs')])
    expect(nonces[0]?.headers['content-security-policy']).not.toBe(nonces[1]?.headers['content-security-policy'])
  })

  test('what starts it asks this host only, and neither validates elsewhere nor keeps a token', async () => {
    const { text, headers } = await get('/docs/reference.js')
    expect(headers['content-type']).toBe('text/javascript; charset=utf-8')
    expect(text).toContain("fetch('/openapi.json'")
    expect(text).toContain('validatorUrl: null')
    expect(text).toContain('persistAuthorization: false')
    expect(text).toContain('url: location.origin')
    expect(text).not.toMatch(/https?:\/\//)
    expect(() => new Function(text)).not.toThrow()
    const sorter = /tagsSorter: (.*),/.exec(text)?.[1]
    const sort: (a: string, b: string) => number = new Function(`return ${sorter}`)()
    expect(['gateway', 'auth', 'payments'].sort(sort)).toEqual(['auth', 'payments', 'gateway'])
  })

  test('the styles load nothing from elsewhere', async () => {
    const { text } = await get('/docs/swagger-ui.css')
    for (const [, target = ''] of text.matchAll(/url\(\s*["']?([^"')]{0,12})/g)) expect(target).toMatch(/^data:image\//)
    expect(text).not.toContain('@import')
  })

  test('files are kept for good at their versioned address, and asked for again by tag at the plain one', async () => {
    const versioned = /\/docs\/swagger-ui-bundle\.js\?v=[0-9a-f]{16}/.exec((await get('/docs')).text)?.[0] ?? ''
    const first = await get(versioned, { 'accept-encoding': 'br' })
    expect(first.headers['cache-control']).toBe('public, max-age=31536000, immutable')
    expect(first.headers.vary).toContain('Accept-Encoding')
    expect(brotliDecompressSync(first.bytes).length).toBeGreaterThan(500_000)
    const plain = await get('/docs/swagger-ui-bundle.js')
    expect(plain.headers['cache-control']).toBe('no-cache')
    expect((await get('/docs/swagger-ui-bundle.js?v=0')).headers['cache-control']).toBe('no-cache')
    const again = await get('/docs/swagger-ui-bundle.js', { 'if-none-match': plain.headers.etag })
    expect([again.status, again.bytes.length]).toEqual([304, 0])
    expect((await get('/docs/swagger-ui-bundle.js', { 'if-none-match': '"x", W/"y"' })).status).toBe(200)
  })

  test.each([
    '/docs/index.html',
    '/docs/package.json',
    '/docs/swagger-ui.js',
    '/docs/swagger-ui-bundle.js.map',
    '/docs/oauth2-redirect.html',
    '/docs/a/swagger-ui.css',
    '/docs/SWAGGER-UI.css',
    '/docs/swagger-ui.css%20',
  ])('%s is not served', async (path) => {
    expect((await get(path)).status).toBe(404)
  })

  test.each([
    '/docs/../package.json',
    '/docs/%2e%2e/package.json',
    '/docs/..%2fpackage.json',
    '/docs//etc/passwd',
    '/docs/%5c..%5cx',
    '/docs/swagger-ui.css%00.png',
  ])('%s is refused', async (path) => {
    const answer = await rawRequest(rig.port, `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    expect(answer.status).toBe(400)
  })
})
