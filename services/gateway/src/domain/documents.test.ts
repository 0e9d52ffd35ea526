import { describe, expect, test } from 'vitest'
import { mergeExpositions } from './expositions.ts'
import { qualifyComponents } from './qualified-components.ts'
import { createRoutePatterns } from './route-patterns.ts'

describe('route patterns', () => {
  const patterns = createRoutePatterns(
    ['/users', '/users/{id}', '/users/{id}/roles', '/users/me', '/audit/timeline/{entity}/{id}'].map((path) => ({
      method: 'GET',
      path,
      public: false,
      limits: [],
    })),
  )

  test.each([
    ['GET', '/users', '/users'],
    ['HEAD', '/users', '/users'],
    ['GET', '/users/me', '/users/me'],
    ['GET', '/users/7', '/users/{id}'],
    ['GET', '/users/me/roles', '/users/{id}/roles'],
    ['GET', '/audit/timeline/user/7', '/audit/timeline/{entity}/{id}'],
    ['POST', '/users', undefined],
    ['GET', '/users/7/x', undefined],
    ['GET', '/audit/timeline/user', undefined],
    ['GET', '/users/{id}', '/users/{id}'],
  ])('%s %s is %s', (method, path, pattern) => expect(patterns(method, path)?.path).toBe(pattern))
})

describe('merged metrics', () => {
  test('each name stands once, with the samples of all', () => {
    const one =
      '# HELP a_total A.\n# TYPE a_total counter\na_total{service="x"} 1\n\n# HELP b B.\n# TYPE b gauge\nb{service="x"} 2\n'
    const two = '# HELP a_total A, told differently.\n# TYPE a_total counter\na_total{service="y"} 3\n'
    expect(mergeExpositions([one, '', two])).toBe(
      '# HELP a_total A.\n# TYPE a_total counter\na_total{service="x"} 1\na_total{service="y"} 3\n\n# HELP b B.\n# TYPE b gauge\nb{service="x"} 2\n',
    )
  })
})

describe('component names', () => {
  const reference = (name: string) => ({ $ref: `#/components/schemas/${name}` })
  const document = (schemas: object) => ({
    paths: { '/x': { schema: Object.keys(schemas).map(reference) } },
    components: { schemas },
  })

  test('what means the same stays, what differs gets its service in front, what refers to it too', () => {
    const same = { type: 'string' }
    const page = { items: reference('Item') }
    const [a, b] = qualifyComponents([
      { service: 'auth', document: document({ Same: same, Item: { type: 'string' }, Page: page, Only: {} }) },
      { service: 'payments', document: document({ Same: same, Item: { type: 'number' }, Page: page }) },
    ])
    expect(a).toEqual({
      paths: { '/x': { schema: ['Same', 'AuthItem', 'AuthPage', 'Only'].map(reference) } },
      components: {
        schemas: { Same: same, AuthItem: { type: 'string' }, AuthPage: { items: reference('AuthItem') }, Only: {} },
      },
    })
    expect(b).toMatchObject({ components: { schemas: { PaymentsPage: { items: reference('PaymentsItem') } } } })
  })
})
