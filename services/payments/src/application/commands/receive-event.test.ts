import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  booked,
  createWorld,
  HASTY,
  newCompletedPayment,
  newPendingPayment,
  owner,
  type Process,
  typesOf,
  USER,
  type World,
} from '../../../test/harness.ts'
import type { PaymentProvider, ProviderEvent } from '../provider.ts'

let world: World
let process: Process
let hasty: Process
beforeAll(async () => {
  world = await createWorld()
  process = world.start()
  hasty = world.start(HASTY)
})
afterAll(async () => {
  const verdict = await process.verifyLedger()
  await world.close()
  expect(verdict).toMatchObject({ balanced: true, firstBad: null })
})

const eventOf = async (transactionId: string): Promise<ProviderEvent> => {
  const attempt = await process.store.findAttempt(transactionId)
  return { id: process.runtime.newId(), attemptId: attempt?.id ?? '', kind: 'charge', transactionId }
}
const newProcessing = async (source: string): Promise<string> => {
  const { transactionId } = await newPendingPayment(hasty, source)
  await hasty.processPayment({ requester: owner, transactionId, key: 'key' })
  return transactionId
}
const heardEvents = (id: string) => world.payments.sql('SELECT 1 FROM provider_events WHERE event_id = $1', [id])

test('an event settles what has no end yet, once however often and however parallel it comes', async () => {
  const transactionId = await newProcessing('tok_timeout_after_charge')
  const event = await eventOf(transactionId)
  const settled = await Promise.all(Array.from({ length: 20 }, () => process.receiveEvent(event)))
  expect(settled).toContain(true)
  expect(await process.store.find(transactionId)).toMatchObject({ status: 'completed', version: 3 })
  expect(await typesOf(world.payments, transactionId)).toEqual(['payment.created.v1', 'payment.processed.v1'])
  expect(await heardEvents(event.id)).toHaveLength(1)
  expect(await process.receiveEvent(event)).toBe(false)
})

test('an event that comes before the answer of the call itself settles, and the call says the same', async () => {
  const { transactionId } = await newPendingPayment(process)
  const paused = process.runtime.faults.pauseAt('payments.process.charged')
  const paying = process.processPayment({ requester: owner, transactionId, key: 'key' })
  await paused.reached
  expect(await process.receiveEvent(await eventOf(transactionId))).toBe(true)
  expect(await process.store.find(transactionId)).toMatchObject({ status: 'completed', version: 3 })
  paused.release()
  expect(await paying).toMatchObject({ ok: true, value: { status: 'completed', version: 3 } })
  expect(await typesOf(world.payments, transactionId)).toEqual(['payment.created.v1', 'payment.processed.v1'])
})

test('an event that is late moves nothing, and no state goes back', async () => {
  const { transactionId } = await newCompletedPayment(process)
  const event = await eventOf(transactionId)
  await process.refundPayment({ requesterId: USER, transactionId, amount: '60.00', reason: null, key: 'a' })
  const before = await process.store.find(transactionId)
  expect(await process.receiveEvent(event)).toBe(false)
  expect(await process.store.find(transactionId)).toEqual(before)
})

test('an event about nothing of ours moves nothing', async () => {
  const transactionId = await newProcessing('tok_timeout_after_charge')
  const other = await newProcessing('tok_timeout_after_charge')
  const event = await eventOf(transactionId)
  const { attemptId } = await eventOf(other)
  for (const strange of [
    { ...event, transactionId: process.runtime.newId() },
    { ...event, attemptId: process.runtime.newId() },
    { ...event, attemptId },
    { ...event, kind: 'refund' as const },
  ])
    expect(await process.receiveEvent(strange)).toBe(false)
  expect(await process.store.find(transactionId)).toMatchObject({ status: 'processing', version: 2 })
  expect(await process.store.find(other)).toMatchObject({ status: 'processing', version: 2 })
})

test('the provider is asked instead of believing the event: a charge that it does not know is not booked', async () => {
  const transactionId = await newProcessing('tok_timeout_before_charge')
  const event = await eventOf(transactionId)
  expect(await process.receiveEvent(event)).toBe(false)
  expect(await process.store.find(transactionId)).toMatchObject({ status: 'processing' })
  expect(await heardEvents(event.id)).toEqual([])
  expect(await booked(process, transactionId)).toEqual([])
})

test('where the provider is silent it stays open, and the same event settles it later', async () => {
  const transactionId = await newProcessing('tok_timeout_after_charge')
  const event = await eventOf(transactionId)
  const deaf = world.start({
    provider: (sandbox): PaymentProvider => ({
      ...sandbox,
      find: async () => {
        throw new Error('connection refused')
      },
    }),
  })
  expect(await deaf.receiveEvent(event)).toBe(false)
  expect(await heardEvents(event.id)).toEqual([])
  expect(await process.receiveEvent(event)).toBe(true)
})

test.each(['payments.webhook.asked', 'payments.commit.before'])(
  'a process that dies at %s has neither effect nor memory of the event',
  async (point) => {
    const transactionId = await newProcessing('tok_timeout_after_charge')
    const event = await eventOf(transactionId)
    const dying = world.start()
    dying.runtime.faults.throwAt(point)
    await expect(dying.receiveEvent(event)).rejects.toThrow(point)
    expect(await heardEvents(event.id)).toEqual([])
    expect(await process.store.find(transactionId)).toMatchObject({ status: 'processing' })
    expect(await process.receiveEvent(event)).toBe(true)
  },
)

test('a refund without an end is settled too, once', async () => {
  const { transactionId } = await newCompletedPayment(process, 'tok_refund_timeout')
  const begun = await hasty.refundPayment({
    requesterId: USER,
    transactionId,
    amount: '60.00',
    reason: null,
    key: 'a',
  })
  if (!begun.ok) throw new Error('not begun')
  expect(begun.value.status).toBe('pending')
  const event = { id: process.runtime.newId(), attemptId: begun.value.id, kind: 'refund' as const, transactionId }
  const answers = await Promise.all(Array.from({ length: 5 }, () => process.receiveEvent(event)))
  expect(answers).toContain(true)
  expect(await process.store.find(transactionId)).toMatchObject({ refundedMinor: 6_000n, refundPendingMinor: 0n })
  expect((await typesOf(world.payments, transactionId)).filter((type) => type === 'payment.refunded.v1')).toHaveLength(
    1,
  )
})

test('without a provider there is nobody to ask', async () => {
  const transactionId = await newProcessing('tok_timeout_after_charge')
  const bare = world.start({ provider: () => undefined as never })
  expect(await bare.receiveEvent(await eventOf(transactionId))).toBe(false)
})
