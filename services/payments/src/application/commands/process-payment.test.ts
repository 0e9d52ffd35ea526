import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  age,
  booked,
  createWorld,
  eventsOf,
  HASTY,
  newPendingPayment,
  owner,
  type Process,
  typesOf,
  USER,
  type World,
} from '../../../test/harness.ts'

let world: World
let process: Process
beforeAll(async () => {
  world = await createWorld()
  process = world.start()
})
afterAll(() => world.close())

const pay = (transactionId: string, key = 'key', by = process, source?: string) =>
  by.processPayment({ requester: owner, transactionId, key, source })
const sources = (transactionId: string) =>
  world.payments.sql('SELECT 1 FROM payment_sources WHERE transaction_id = $1', [transactionId])
const openAttempts = (transactionId: string) =>
  world.payments.sql('SELECT 1 FROM attempt_leases WHERE transaction_id = $1', [transactionId])

test('charges a pending payment once and tells of it', async () => {
  const { transactionId } = await newPendingPayment(process)
  const result = await pay(transactionId)
  expect(result).toMatchObject({
    ok: true,
    value: { status: 'completed', attempts: 1, version: 3, failure: null, refundedMinor: 0n },
  })
  expect(await booked(process, transactionId)).toEqual(['charge succeeded'])
  const about = { transactionId, userId: USER, amount: '100.00', currency: 'EUR', timestamp: expect.any(String) }
  expect(await eventsOf(world.payments, transactionId)).toEqual([
    { type: 'payment.created.v1', sequence: 1, data: { ...about, method: 'credit_card' } },
    { type: 'payment.processed.v1', sequence: 3, data: { ...about, status: 'completed' } },
  ])
  // A token has no use any more once the charge has an end.
  expect(await sources(transactionId)).toEqual([])
  expect(await openAttempts(transactionId)).toEqual([])
})

test('a declined charge fails, and payment.failed alone tells of it', async () => {
  const { transactionId } = await newPendingPayment(process, 'tok_declined')
  const result = await pay(transactionId)
  expect(result).toMatchObject({ ok: true, value: { status: 'failed', failure: { code: 'card_declined' } } })
  expect(await booked(process, transactionId)).toEqual(['charge declined'])
  const [, failed, ...more] = await eventsOf(world.payments, transactionId)
  expect(more).toEqual([])
  expect(failed).toEqual({
    type: 'payment.failed.v1',
    sequence: 3,
    data: {
      transactionId,
      userId: USER,
      status: 'failed',
      amount: '100.00',
      currency: 'EUR',
      timestamp: expect.any(String),
      errorMessage: expect.any(String),
    },
  })
})

test('a missing or unknown source is refused and changes nothing', async () => {
  const without = await process.createPayment({
    userId: USER,
    money: { minor: 1n, currency: 'EUR' },
    method: 'paypal',
    description: null,
    metadata: {},
  })
  if (!without.ok) throw new Error('not created')
  const { transactionId } = without.value
  expect(await pay(transactionId)).toEqual({ ok: false, error: 'source_required' })
  expect(await pay(transactionId, 'key', process, 'tok_nobody_knows')).toEqual({ ok: false, error: 'source_unknown' })
  expect(await process.store.find(transactionId)).toEqual(without.value)
  expect(await openAttempts(transactionId)).toEqual([])
  expect(await pay(transactionId, 'key', process, 'tok_ok')).toMatchObject({ ok: true, value: { status: 'completed' } })
})

test('a source that the request brings goes before the one that was kept', async () => {
  const { transactionId } = await newPendingPayment(process, 'tok_ok')
  expect(await pay(transactionId, 'key', process, 'tok_declined')).toMatchObject({ value: { status: 'failed' } })
})

test('a payment of somebody else is absent; who may see it but not process it is told so', async () => {
  const { transactionId } = await newPendingPayment(process)
  const as = (...permissions: string[]) =>
    process.processPayment({ requester: { userId: process.runtime.newId(), permissions }, transactionId, key: 'key' })
  expect(await as()).toEqual({ ok: false, error: 'not_found' })
  expect(await as('payments:read:any')).toEqual({ ok: false, error: 'forbidden' })
  expect(await process.processPayment({ requester: owner, transactionId: process.runtime.newId(), key: 'k' })).toEqual({
    ok: false,
    error: 'not_found',
  })
  expect(await as('payments:process:any')).toMatchObject({ ok: true, value: { status: 'completed' } })
})

test('without a provider nothing starts', async () => {
  const bare = world.start({ provider: () => undefined as never })
  const { transactionId } = await newPendingPayment(bare)
  expect(await pay(transactionId, 'key', bare)).toEqual({ ok: false, error: 'provider_not_configured' })
  expect(await bare.store.find(transactionId)).toMatchObject({ status: 'pending' })
})

test('the key that started the charge hears its end again, another one is refused', async () => {
  const { transactionId } = await newPendingPayment(process)
  const first = await pay(transactionId, 'mine')
  expect(await pay(transactionId, 'mine')).toEqual(first)
  expect(await pay(transactionId, 'other')).toEqual({ ok: false, error: 'payment_transition_illegal' })
  const stranger = { userId: process.runtime.newId(), permissions: ['payments:process:any'] }
  expect(await process.processPayment({ requester: stranger, transactionId, key: 'mine' })).toEqual({
    ok: false,
    error: 'payment_transition_illegal',
  })
  expect(await booked(process, transactionId)).toEqual(['charge succeeded'])
})

test.each(['one key', 'different keys'])('twenty parallel calls with %s charge once', async (kind) => {
  const { transactionId } = await newPendingPayment(process)
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => pay(transactionId, kind === 'one key' ? 'key' : `key ${index}`)),
  )
  const statuses = answers.map((answer) => (answer.ok ? answer.value.status : answer.error))
  for (const status of statuses) expect(['completed', 'processing', 'payment_transition_illegal']).toContain(status)
  expect(statuses).toContain('completed')
  const charges = await process.sandbox.charges({ transactionId })
  expect(charges.map(({ outcome, receivedCount }) => [outcome, receivedCount])).toEqual([['succeeded', 1]])
  expect(await typesOf(world.payments, transactionId)).toEqual(['payment.created.v1', 'payment.processed.v1'])
})

test('a time-out leaves it processing, also when asked again, until the reconciler has settled it', async () => {
  const { transactionId } = await newPendingPayment(process, 'tok_timeout_after_charge')
  const hasty = world.start(HASTY)
  expect(await pay(transactionId, 'mine', hasty)).toMatchObject({ ok: true, value: { status: 'processing' } })
  expect(await pay(transactionId, 'mine')).toMatchObject({ ok: true, value: { status: 'processing' } })
  expect(await pay(transactionId, 'other')).toMatchObject({ ok: true, value: { status: 'processing' } })
  expect(await typesOf(world.payments, transactionId)).toEqual(['payment.created.v1'])

  await age(world.payments, transactionId, 0)
  await process.reconcile()
  expect(await pay(transactionId, 'mine')).toMatchObject({ ok: true, value: { status: 'completed' } })
  expect(await pay(transactionId, 'other')).toEqual({ ok: false, error: 'payment_transition_illegal' })
  expect(await booked(process, transactionId)).toEqual(['charge succeeded'])
})

// Where a process may die: after the attempt is stored, after the provider was called, after the end is stored.
test.each(['payments.process.started', 'payments.process.charged', 'payments.process.settled'])(
  'a process that dies at %s leaves one charge and one event, and its key still hears the end',
  async (point) => {
    const dying = world.start()
    const { transactionId } = await newPendingPayment(dying)
    dying.runtime.faults.throwAt(point)
    await expect(pay(transactionId, 'mine', dying)).rejects.toThrow(point)

    const next = world.start()
    // The lease of the dead one would otherwise be waited for.
    await next.adopt()
    await next.reconcile()
    expect(await pay(transactionId, 'mine', next)).toMatchObject({ ok: true, value: { status: 'completed' } })
    expect(await pay(transactionId, 'other', next)).toEqual({ ok: false, error: 'payment_transition_illegal' })
    expect(await booked(next, transactionId)).toEqual(['charge succeeded'])
    expect(await typesOf(world.payments, transactionId)).toEqual(['payment.created.v1', 'payment.processed.v1'])
  },
)

test('an end that could not be stored is found again with one charge', async () => {
  const { transactionId } = await newPendingPayment(process)
  const paused = process.runtime.faults.pauseAt('payments.process.charged')
  const paying = pay(transactionId, 'mine').catch((error: unknown) => error)
  await paused.reached
  const restore = await world.payments.outage()
  paused.release()
  expect(await paying).toBeInstanceOf(Error)
  await restore()
  await age(world.payments, transactionId, 0)
  await process.reconcile()
  expect(await pay(transactionId, 'mine')).toMatchObject({ ok: true, value: { status: 'completed' } })
  expect(await booked(process, transactionId)).toEqual(['charge succeeded'])
})

test('no token appears in a log line, an event or an audited row', async () => {
  const { transactionId } = await newPendingPayment(process, 'tok_timeout_before_charge')
  const hasty = world.start(HASTY)
  await pay(transactionId, 'key', hasty)
  const rows = await world.payments.sql<{ text: string }>(
    `SELECT p::text || a::text || l::text AS text FROM payments p JOIN attempts a USING (transaction_id)
     JOIN attempt_leases l USING (transaction_id) WHERE transaction_id = $1`,
    [transactionId],
  )
  expect(rows).toHaveLength(1)
  const seen = JSON.stringify([rows, hasty.runtime.logs, await eventsOf(world.payments, transactionId)])
  expect(seen).not.toContain('tok_timeout')
})
