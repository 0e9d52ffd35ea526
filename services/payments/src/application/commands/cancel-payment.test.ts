import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  createWorld,
  newCompletedPayment,
  newPendingPayment,
  owner,
  type Process,
  typesOf,
  type World,
} from '../../../test/harness.ts'

let world: World
let process: Process
beforeAll(async () => {
  world = await createWorld()
  process = world.start()
})
afterAll(() => world.close())

test('its owner cancels a pending payment; it stays, and canceling again changes nothing', async () => {
  const { transactionId } = await newPendingPayment(process)
  const first = await process.cancelPayment({ requester: owner, transactionId })
  expect(first).toMatchObject({ ok: true, value: { status: 'canceled', version: 2 } })
  expect(await process.cancelPayment({ requester: owner, transactionId })).toEqual(first)
  expect(await process.store.find(transactionId)).toEqual(first.ok && first.value)
  expect(await typesOf(world.payments, transactionId)).toEqual(['payment.created.v1', 'payment.canceled.v1'])
})

test('twenty at the same time make one cancellation', async () => {
  const { transactionId } = await newPendingPayment(process)
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => process.cancelPayment({ requester: owner, transactionId })),
  )
  expect(answers.every((answer) => answer.ok && answer.value.version === 2)).toBe(true)
  expect(await typesOf(world.payments, transactionId)).toEqual(['payment.created.v1', 'payment.canceled.v1'])
})

test('what was charged is not canceled', async () => {
  const { transactionId } = await newCompletedPayment(process)
  expect(await process.cancelPayment({ requester: owner, transactionId })).toEqual({
    ok: false,
    error: 'payment_transition_illegal',
  })
})

test('a payment of somebody else is absent; who may see it but not cancel it is told so', async () => {
  const { transactionId } = await newPendingPayment(process)
  const as = (...permissions: string[]) =>
    process.cancelPayment({ requester: { userId: process.runtime.newId(), permissions }, transactionId })
  expect(await as()).toEqual({ ok: false, error: 'not_found' })
  expect(await as('payments:write:any')).toEqual({ ok: false, error: 'not_found' })
  expect(await as('payments:read:any')).toEqual({ ok: false, error: 'forbidden' })
  expect(await process.store.find(transactionId)).toMatchObject({ status: 'pending' })
  expect(await as('payments:cancel:any')).toMatchObject({ ok: true, value: { status: 'canceled' } })
})

test('a payment that changed since the caller saw it is left alone', async () => {
  const { transactionId } = await newPendingPayment(process)
  const cancel = (wanted: number) =>
    process.cancelPayment({ requester: owner, transactionId, unchanged: ({ version }) => version === wanted })
  expect(await cancel(2)).toEqual({ ok: false, error: 'precondition_failed' })
  expect(await cancel(1)).toMatchObject({ ok: true, value: { status: 'canceled' } })
  // It is already what was asked for.
  expect(await cancel(1)).toMatchObject({ ok: true, value: { status: 'canceled' } })
})
