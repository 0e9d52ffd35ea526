import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Instance, until } from './support/instance.ts'
import { call, newAdministrator, newPayment, newPerson, type Person, processPayment } from './support/person.ts'

let instance: Instance
let administrator: Person
let person: Person

beforeAll(async () => {
  // A short call limit, so that a provider that hangs is not waited for long.
  instance = await Instance.create({
    ASHLAR_LOG_LEVEL: 'warn',
    ASHLAR_PAYMENTS_PROVIDER_TIMEOUT_MS: '4000',
    ASHLAR_PAYMENTS_VOID_AFTER_SECONDS: '6',
  })
  await instance.start()
  administrator = await newAdministrator(instance)
  person = await newPerson(instance)
})

afterAll(() => instance.remove())

type Charge = { kind: string; outcome: string; receivedCount: number }

const charges = async (id: string): Promise<Charge[]> =>
  (await call(instance, 'GET', `/dev/sandbox/charges?transactionId=${id}`)).body.data as Charge[]

const settled = (id: string) =>
  until(
    `payment ${id} to settle`,
    async () => {
      const { body } = await call(instance, 'GET', `/payments/${id}`, { token: person.accessToken })
      return body.status === 'processing' || body.status === 'pending' ? undefined : body
    },
    90_000,
  )

const booked = async (id: string): Promise<string[]> =>
  (await charges(id)).map(({ kind, outcome }) => `${kind} ${outcome}`)

test.concurrent('tok_ok and tok_slow are charged once', async () => {
  for (const source of ['tok_ok', 'tok_slow']) {
    const id = await newPayment(instance, person, '10.00', source)
    const answer = await processPayment(instance, person, id)
    expect([answer.status, answer.body.status]).toEqual([200, 'completed'])
    expect(await booked(id)).toEqual(['charge succeeded'])
  }
})

test.concurrent('tok_declined fails and says why', async () => {
  const id = await newPayment(instance, person, '10.00', 'tok_declined')
  const answer = await processPayment(instance, person, id)
  expect([answer.status, answer.body.status]).toEqual([200, 'failed'])
  expect(answer.body.failure).toMatchObject({ code: expect.any(String), message: expect.any(String) })
  expect(await booked(id)).toEqual(['charge declined'])
})

test.concurrent('tok_timeout_after_charge is settled as completed with one charge', async () => {
  const id = await newPayment(instance, person, '10.00', 'tok_timeout_after_charge')
  const key = randomUUID()
  const answer = await processPayment(instance, person, id, key)
  expect([answer.status, answer.body.status]).toEqual([202, 'processing'])
  expect((await settled(id)).status).toBe('completed')
  expect(await booked(id)).toEqual(['charge succeeded'])

  const later = await processPayment(instance, person, id, key)
  expect([later.status, later.body.status]).toEqual([200, 'completed'])
  const stranger = await processPayment(instance, person, id)
  expect([stranger.status, stranger.body.code]).toEqual([409, 'payment_transition_illegal'])
})

test.concurrent('tok_timeout_before_charge is settled without a second charge', async () => {
  const id = await newPayment(instance, person, '10.00', 'tok_timeout_before_charge')
  expect((await processPayment(instance, person, id)).status).toBe(202)
  expect((await settled(id)).status).toBe('completed')
  expect(await booked(id)).toEqual(['charge succeeded'])
})

test.concurrent('tok_unavailable ends as failed by a void', async () => {
  const id = await newPayment(instance, person, '10.00', 'tok_unavailable')
  expect((await processPayment(instance, person, id)).status).toBe(202)
  expect((await settled(id)).status).toBe('failed')
  expect((await booked(id)).some((line) => line.endsWith('succeeded') && line.startsWith('charge'))).toBe(false)
})

test.concurrent('tok_refund_declined frees its share, tok_refund_timeout is settled as succeeded', async () => {
  const refund = (id: string) =>
    call(instance, 'POST', `/payments/${id}/refunds`, {
      token: administrator.accessToken,
      key: randomUUID(),
      body: { amount: '6.00' },
    })
  const refundStatus = async (id: string, refundId: unknown) => {
    const { body } = await call(instance, 'GET', `/payments/${id}/refunds`, { token: person.accessToken })
    return (body.data as { id: string; status: string }[]).find((candidate) => candidate.id === refundId)?.status
  }

  const declined = await newPayment(instance, person, '10.00', 'tok_refund_declined')
  await processPayment(instance, person, declined)
  const first = await refund(declined)
  expect([first.status, first.body.status]).toEqual([201, 'failed'])
  expect((await refund(declined)).status).toBe(201)

  const hanging = await newPayment(instance, person, '10.00', 'tok_refund_timeout')
  await processPayment(instance, person, hanging)
  const pending = await refund(hanging)
  expect([pending.status, pending.body.status]).toEqual([201, 'pending'])
  await until(
    'the refund to settle',
    async () => ((await refundStatus(hanging, pending.body.id)) === 'succeeded' ? true : undefined),
    60_000,
  )
  expect((await charges(hanging)).filter(({ kind }) => kind === 'refund')).toHaveLength(1)
})

test.concurrent('unknown and missing sources are refused', async () => {
  const unknown = await newPayment(instance, person, '10.00', 'tok_nobody_knows').catch((error: Error) => error.message)
  if (unknown.startsWith('create answered')) expect(unknown).toContain('source_unknown')
  else expect((await processPayment(instance, person, unknown)).body.code).toBe('source_unknown')

  const { body } = await call(instance, 'POST', '/payments/create', {
    token: person.accessToken,
    key: randomUUID(),
    body: { amount: '1.00', currency: 'EUR', method: 'credit_card' },
  })
  const answer = await processPayment(instance, person, body.transactionId as string)
  expect([answer.status, answer.body.code]).toEqual([422, 'source_required'])
})
