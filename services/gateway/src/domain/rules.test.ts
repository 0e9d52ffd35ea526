import { describe, expect, test } from 'vitest'
import { createCors, isOrigin } from './cors.ts'
import { violationOf } from './csp-report.ts'
import { parseEndpointLimits } from './endpoint-limits.ts'
import { averageDelay, overloaded } from './shedding.ts'

describe('origins', () => {
  test.each(['https://app.example.com', 'http://localhost:5173', 'https://[2001:db8::1]:8443'])('%s is one', (text) =>
    expect(isOrigin(text)).toBe(true),
  )
  test.each([
    '*',
    'null',
    '',
    'app.example.com',
    'https://app.example.com/',
    'https://app.example.com:443',
    'https://APP.example.com',
    'https://*.example.com',
    'https://a@b',
    'ftp://a',
  ])('"%s" is none', (text) => expect(isOrigin(text)).toBe(false))

  test('only a listed one is allowed, exactly, and never all', () => {
    const cors = createCors(['https://app.example.com'])
    expect(cors?.fields('https://app.example.com')).toMatchObject({
      'access-control-allow-origin': 'https://app.example.com',
      vary: 'Origin',
    })
    for (const origin of [
      undefined,
      'null',
      'https://app.example.com.evil',
      'https://evil/app.example.com',
      'http://app.example.com',
    ]) {
      expect(cors?.fields(origin)).toEqual({ vary: 'Origin' })
      expect(cors?.preflight(origin)).toBeUndefined()
    }
    expect(createCors([])).toBeUndefined()
  })
})

describe('endpoint limits', () => {
  test('by name', () => {
    expect(parseEndpointLimits('')).toEqual({})
    expect(parseEndpointLimits(' login=20/60, register=10/3600 ')).toEqual({
      login: { quota: 20, windowSeconds: 60 },
      register: { quota: 10, windowSeconds: 3600 },
    })
  })
  test.each([
    'login',
    'login=20',
    'login=0/60',
    'login=20/0',
    'login=-1/60',
    'login=20/60;',
    'login=1/1,login=2/2',
    '=1/1',
    '__proto__=1/1',
  ])('"%s" is refused', (text) => expect(parseEndpointLimits(text)).toBeUndefined())
})

describe('reports of the content security policy', () => {
  test('both forms become the same few words, without paths, queries and made-up directives', () => {
    const old = violationOf({
      'document-uri': 'https://a.example/reset-password?token=secret',
      'violated-directive': "script-src 'self'",
      'blocked-uri': 'https://evil.example/x.js?token=secret',
      disposition: 'report',
    })
    expect(old).toEqual({
      directive: 'script-src',
      disposition: 'report',
      blocked: 'https://evil.example',
      page: '/reset-password',
    })
    expect(violationOf({ effectiveDirective: 'style-src-attr', blockedURL: 'inline', documentURL: 'x' })).toEqual({
      directive: 'style-src-attr',
      disposition: 'enforce',
      blocked: 'inline',
      page: '',
    })
  })

  test.each([
    {},
    { 'effective-directive': 7, 'blocked-uri': {} },
    { 'effective-directive': 'made-up-1' },
    { 'blocked-uri': 'secret words' },
  ])('%j says little', (report) => {
    const { directive, blocked, page } = violationOf(report)
    expect([directive, blocked, page]).toEqual(['other', '', ''])
  })

  test('an embedded document shows its scheme, not its text', () => {
    expect(violationOf({ 'blocked-uri': 'data:text/html,secret' }).blocked).toBe('data:')
  })
})

describe('shedding', () => {
  const bounds = { delayMs: 100, inFlight: 10 }
  const refused = (averageDelayMs: number, inFlight: number, turnDelayMs = 0) =>
    (['usual', 'last', 'always'] as const).filter((importance) =>
      overloaded({ averageDelayMs, turnDelayMs, inFlight }, bounds, importance),
    )

  test('payments go on until it is twice as bad, health for ever', () => {
    expect(refused(100, 9)).toEqual([])
    expect(refused(101, 0)).toEqual(['usual'])
    expect(refused(0, 10)).toEqual(['usual'])
    expect(refused(201, 0)).toEqual(['usual', 'last'])
    expect(refused(0, 20)).toEqual(['usual', 'last'])
    expect(refused(1e9, 1e9, 1e9)).toEqual(['usual', 'last'])
  })

  test('a late turn counts only after others', () => {
    expect(refused(0, 0, 5_000)).toEqual([])
    expect(refused(51, 0, 99)).toEqual([])
    expect(refused(51, 0, 101)).toEqual(['usual'])
    expect(refused(101, 0, 201)).toEqual(['usual', 'last'])
  })

  test('one long turn of the loop is no overload, long turns for seconds are, and calm ends it', () => {
    expect(averageDelay(0, 500, 525)).toBeLessThan(150)
    let delay = 0
    for (let at = 0; at < 10; at += 1) delay = averageDelay(delay, 500, 525)
    expect(delay).toBeGreaterThan(400)
    for (let at = 0; at < 200; at += 1) delay = averageDelay(delay, 0, 25)
    expect(delay).toBeLessThan(50)
  })
})
