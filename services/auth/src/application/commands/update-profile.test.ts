import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Person, person } from '../../../test/people.ts'
import { startAuth, type TestAuth } from '../../../test/support.ts'

let it: TestAuth
let ada: Person
beforeAll(async () => {
  it = await startAuth()
  ada = await person(it, 'ada')
})
afterAll(() => it.close())

const patch = (body: unknown, headers: Record<string, string> = {}) =>
  it.call('PATCH', '/auth/profile', { body, token: ada.token, headers })

test('names are set, left and cleared one by one, and told of', async () => {
  expect((await patch({ firstName: ' Ada ', lastName: 'Byron' })).body).toMatchObject({
    firstName: 'Ada',
    lastName: 'Byron',
  })
  it.clock.advance(1_000)
  const changed = (await patch({ lastName: null })).body
  expect(changed).toMatchObject({ firstName: 'Ada', lastName: null, updatedAt: it.clock.now().toISOString() })
  expect((await it.get('/auth/profile', ada.token)).body).toEqual(changed)
  const told = await it.events('user.updated')
  expect(told.map(({ data, sequence }) => [data.firstName, data.lastName, sequence])).toEqual([
    ['Ada', 'Byron', 3],
    ['Ada', null, 4],
  ])
})

test('what changes nothing is told to nobody', async () => {
  const before = (await it.events('user.updated')).length
  const { headers } = await it.get('/auth/profile', ada.token)
  const answers = [await patch({}), await patch({ lastName: null })]
  for (const answer of answers) expect(answer.headers.get('etag')).toBe(headers.get('etag'))
  expect(await it.events('user.updated')).toHaveLength(before)
})

test('a write on an older state is refused and stores nothing', async () => {
  const etag = (await it.get('/auth/profile', ada.token)).headers.get('etag') ?? ''
  expect(etag).toMatch(/^"[\w-]{22}"$/)
  expect((await patch({ firstName: 'Augusta' }, { 'if-match': etag })).status).toBe(200)
  const late = await patch({ firstName: 'Lost' }, { 'if-match': etag })
  expect([late.status, late.body.code]).toEqual([412, 'precondition_failed'])
  expect((await patch({ firstName: 'Lost' }, { 'if-match': `W/${etag}` })).status).toBe(412)
  expect((await it.get('/auth/profile', ada.token)).body.firstName).toBe('Augusta')
})

test('of writers that saw the same state one wins', async () => {
  const etag = (await it.get('/auth/profile', ada.token)).headers.get('etag') ?? ''
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, i) => patch({ firstName: `Racer ${i}` }, { 'if-match': etag })),
  )
  expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array(7).fill(412)])
})

test.each([
  ['another field', { email: 'other@example.test' }],
  ['roles', { roles: ['admin'] }],
  ['a name of spaces', { firstName: '   ' }],
  ['a name that is a header', { firstName: 'Ada\r\nBcc: all@example.test' }],
  ['a name of 101 characters', { lastName: 'x'.repeat(101) }],
  ['a number', { lastName: 1 }],
])('refused: %s', async (_, body) => {
  const answer = await patch(body)
  expect([answer.status, answer.body.code]).toEqual([400, 'validation_failed'])
})
