import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Instance } from './support/instance.ts'
import {
  type Answer,
  call,
  newAdministrator,
  newPayment,
  newPerson,
  order,
  type Person,
  processPayment,
  signIn,
} from './support/person.ts'

let instance: Instance
let administrator: Person
let person: Person

beforeAll(async () => {
  instance = await Instance.create({ ASHLAR_LOG_LEVEL: 'warn' })
  await instance.start()
  administrator = await newAdministrator(instance)
  person = await newPerson(instance)
})

afterAll(() => instance.remove())

const times = <T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, index) => work(index)))

const statuses = (answers: Answer[]): Record<number, number> => {
  const counts: Record<number, number> = {}
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

const charges = async (transactionId: string, kind: string) => {
  const { body } = await call(instance, 'GET', `/dev/sandbox/charges?transactionId=${transactionId}`)
  return (body.data as { kind: string; outcome: string }[]).filter((charge) => charge.kind === kind)
}

test('fifty uses of one refresh token make one lineage, and reuse after it kills the chain', async () => {
  const client = await signIn(instance, person.email, person.password)
  const refresh = (refreshToken: string) => call(instance, 'POST', '/auth/refresh', { body: { refreshToken } })

  const answers = await times(50, () => refresh(client.refreshToken))
  expect(statuses(answers)).toEqual({ 200: 50 })
  const successors = new Set(answers.map(({ body }) => body.refreshToken))
  expect(successors.size).toBe(1)
  for (const { body } of answers.slice(0, 5)) {
    expect((await call(instance, 'GET', '/auth/profile', { token: body.accessToken as string })).status).toBe(200)
  }

  const successor = [...successors][0] as string
  const next = await refresh(successor)
  expect(next.status).toBe(200)
  const live = next.body.accessToken as string
  expect((await call(instance, 'GET', '/auth/profile', { token: live })).status).toBe(200)

  const reused = await refresh(client.refreshToken)
  expect([reused.status, reused.body.code]).toEqual([401, 'refresh_token_reused'])
  expect((await call(instance, 'GET', '/auth/profile', { token: live })).status).toBe(401)
  expect((await refresh(next.body.refreshToken as string)).status).toBe(401)
  expect((await call(instance, 'GET', '/auth/profile', { token: person.accessToken })).status).toBe(200)
})

test('of fifty refunds of 60 on a payment of 100, exactly one succeeds', async () => {
  const id = await newPayment(instance, person, '100.00')
  expect((await processPayment(instance, person, id)).body.status).toBe('completed')
  const answers = await times(50, () =>
    call(instance, 'POST', `/payments/${id}/refunds`, {
      token: administrator.accessToken,
      key: randomUUID(),
      body: { amount: '60.00' },
    }),
  )
  expect(statuses(answers)).toEqual({ 201: 1, 422: 49 })
  expect(answers.filter(({ body }) => body.code === 'refund_exceeds_payment')).toHaveLength(49)
  expect(await charges(id, 'refund')).toHaveLength(1)
})

test('a hundred creates with one key make one payment, and its replays are equal', async () => {
  const key = randomUUID()
  const create = (amount: string) =>
    call(instance, 'POST', '/payments/create', { token: person.accessToken, key, body: order(amount) })
  const answers = await times(100, () => create('12.34'))
  const made = answers.filter(({ status }) => status === 201)
  // Who came while the first one still ran may be told to come again; nobody gets a second payment.
  for (const { status, body, headers } of answers) {
    if (status === 201) continue
    expect([status, body.code, headers.has('retry-after')]).toEqual([409, 'request_in_progress', true])
  }
  expect(new Set(made.map(({ body }) => JSON.stringify(body))).size).toBe(1)
  const replay = await create('12.34')
  expect(replay.headers.get('idempotent-replayed')).toBe('true')
  expect(replay.body).toEqual(made[0]?.body)
  expect(replay.headers.get('location')).toBe(made[0]?.headers.get('location'))

  const other = await create('12.35')
  expect([other.status, other.body.code]).toEqual([422, 'idempotency_key_reused'])
})

test('twenty parallel process calls charge once', async () => {
  for (const key of [randomUUID(), undefined]) {
    const id = await newPayment(instance, person)
    const answers = await times(20, () => processPayment(instance, person, id, key ?? randomUUID()))
    for (const { status } of answers) expect([200, 202, 409]).toContain(status)
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(1)
    expect(await charges(id, 'charge')).toHaveLength(1)
    expect((await call(instance, 'GET', `/payments/${id}`, { token: person.accessToken })).body.status).toBe(
      'completed',
    )
  }
})
