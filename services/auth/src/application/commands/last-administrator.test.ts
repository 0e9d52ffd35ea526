import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Person, person, signedIn } from '../../../test/people.ts'
import { startAuth, type TestAuth } from '../../../test/support.ts'

let it: TestAuth
let people: Person[]
beforeAll(async () => {
  it = await startAuth()
  people = [await person(it, 'one')]
  for (const name of ['two', 'three', 'four']) people.push(await person(it, name))
})
afterAll(() => it.close())

/** Makes these the administrators, and nobody else; each signed in afresh. */
const administrators = async (count: number): Promise<Person[]> => {
  const chosen = people.slice(0, count)
  await it.sql(`DELETE FROM user_roles WHERE role = 'admin'`)
  await it.sql(`UPDATE users SET is_active = true`)
  await it.sql(`INSERT INTO user_roles SELECT unnest($1::uuid[]), 'admin'`, [chosen.map(({ id }) => id)])
  return Promise.all(chosen.map(async (one) => ({ ...one, ...(await signedIn(it, one.email)) })))
}
const left = async (): Promise<number> => {
  const rows = await it.sql(
    `SELECT FROM user_roles r JOIN users u ON u.id = r.user_id WHERE r.role = 'admin' AND u.is_active`,
  )
  return rows.length
}

const demote = (by: Person, whom: Person) =>
  it.call('PUT', `/users/${whom.id}/roles`, { body: { roles: ['user'] }, token: by.token })
const deactivate = (by: Person, whom: Person) => it.post(`/users/${whom.id}/deactivate`, undefined, by.token)
const remove = (by: Person, whom: Person) => it.call('DELETE', `/users/${whom.id}`, { token: by.token })
const ways: [string, typeof demote][] = [
  ['demoted', demote],
  ['deactivated', deactivate],
  ['deleted', remove],
]

test.each(ways)('the last one cannot be %s, not even by himself', async (_, way) => {
  const [root] = (await administrators(1)) as [Person]
  const answer = await way(root, root)
  expect([answer.status, answer.body.code]).toEqual([409, 'last_administrator'])
  expect(await left()).toBe(1)
  expect((await it.get('/auth/profile', root.token)).body.roles).toContain('admin')
})

test('one who is deactivated does not count', async () => {
  const [root, other] = (await administrators(2)) as [Person, Person]
  expect((await deactivate(root, other)).status).toBe(200)
  expect((await demote(root, root)).body.code).toBe('last_administrator')
  // Taking the role from one who cannot sign in leaves as many as before.
  expect((await demote(root, other)).status).toBe(200)
})

test.each([demote, deactivate])('of two who end each other at once one wins (%o)', async (way) => {
  for (let round = 0; round < 3; round++) {
    const [one, two] = (await administrators(2)) as [Person, Person]
    const answers = await Promise.all([way(one, two), way(two, one)])
    const outcome = answers.map(({ status, body }) => body?.code ?? status).sort()
    // Whoever lost the race before he was let in is refused as what he has become.
    expect([
      [200, 'last_administrator'],
      [200, 'access_token_stale'],
      [200, 'access_token_invalid'],
    ]).toContainEqual(outcome)
    expect(await left()).toBe(1)
  }
})

test('of many who all lay it down at once one is left', async () => {
  const all = await administrators(4)
  const answers = await Promise.all(all.map((one, i) => (i % 2 ? deactivate : demote)(one, one)))
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 409])
  expect(await left()).toBe(1)
})

test('of two who delete each other at once one is left', async () => {
  const [one, two] = (await administrators(2)) as [Person, Person]
  const answers = await Promise.all([remove(one, two), remove(two, one)])
  const outcome = answers.map(({ status, body }) => body?.code ?? status).sort()
  expect([
    [204, 'not_found'],
    [204, 'forbidden'],
    [204, 'last_administrator'],
    [204, 'access_token_invalid'],
  ]).toContainEqual(outcome)
  expect(await left()).toBe(1)
})
