import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalTarget, originForm } from './target.ts'

const pathOf = (raw: string) => {
  const result = canonicalTarget(raw)
  return result.ok ? result.value.path : undefined
}

describe('canonicalTarget', () => {
  test.each([
    ['/', '/'],
    ['/a/', '/a'],
    ['/api', '/'],
    ['/api/', '/'],
    ['/api/a', '/a'],
    ['/api/api/a', '/api/a'],
    ['/apis', '/apis'],
    ['/.well-known/jwks.json', '/.well-known/jwks.json'],
    ['/%61%2d%7E', '/a-~'],
    ['/a%3ab@c', '/a:b@c'],
    ['/%c3%a9', '/%C3%A9'],
    ['/a%20b', '/a%20b'],
    ['/...', '/...'],
  ])('%s becomes %s', (raw, path) => expect(pathOf(raw)).toBe(path))

  test('the prefix /api is found behind escapes too, since it is looked for in the canonical form', () => {
    expect(pathOf('/%61pi/auth')).toBe('/auth')
  })

  test('the query is kept as it is', () => {
    expect(canonicalTarget('/a?b=/../%2f;#'.slice(0, -1))).toEqual({
      ok: true,
      value: { path: '/a', query: '?b=/../%2f;' },
    })
  })

  test('whatever is accepted is stable, and no reader can find a separator, dot segment or control in it', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '/',
        '.',
        '..',
        '%2f',
        '%2E',
        '%5C',
        '%00',
        ';',
        '\\',
        '%',
        '%25',
        'api',
        '%c3%a9',
        '%c3',
        '?',
        '#',
        ' ',
      ),
      fc.string({ maxLength: 3 }),
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
        const result = canonicalTarget(`/${pieces.join('')}`)
        if (!result.ok) return
        const { path } = result.value
        const again = path.startsWith('/api') ? undefined : canonicalTarget(path)
        if (again) expect(again).toEqual({ ok: true, value: { path, query: '' } })
        const segments = path.slice(1).split('/').map(decodeURIComponent)
        expect(path === '/' || segments.every((segment) => segment !== '')).toBe(true)
        for (const segment of segments) {
          expect(segment).not.toMatch(/[/\\;%]/)
          expect(['.', '..']).not.toContain(segment)
          expect([...segment].every((character) => (character.codePointAt(0) ?? 0) > 31)).toBe(true)
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('originForm', () => {
  test.each([
    ['/a?b', 'h', '/a?b'],
    ['http://h:1/a?b', 'H:1', '/a?b'],
    ['https://h', 'h', '/'],
    ['http://h?b', 'h', '/?b'],
  ])('%s at %s is %s', (target, host, origin) => expect(originForm(target, host)).toEqual({ ok: true, value: origin }))

  test.each([
    ['http://other/a', 'h'],
    ['http://h:80/a', 'h'],
    ['http://h/a', undefined],
    ['ftp://h/a', 'h'],
    ['*', 'h'],
    ['a', 'h'],
    ['', 'h'],
  ])('%s at %s is refused', (target, host) => expect(originForm(target, host).ok).toBe(false))
})
