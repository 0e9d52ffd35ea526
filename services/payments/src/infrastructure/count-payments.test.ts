import { afterAll, beforeAll, expect, test } from 'vitest'
import { createWorld, newCompletedPayment, newPendingPayment, USER, type World } from '../../test/harness.ts'

let world: World
beforeAll(async () => {
  world = await createWorld()
})
afterAll(() => world.close())

test('payments are counted as they enter a status, and not when the unit of work threw', async () => {
  const process = world.start()
  const { transactionId } = await newCompletedPayment(process)
  for (const [key, amount] of [
    ['a', '10.00'],
    ['b', '20.00'],
  ] as const)
    await process.refundPayment({ requesterId: USER, transactionId, amount, reason: null, key })
  process.runtime.faults.throwAt('payments.commit.before')
  await expect(newPendingPayment(process)).rejects.toThrow()

  const metric = await process.runtime.metrics('payments').registry.getSingleMetric('payments_total')?.get()
  const counts = Object.fromEntries(metric?.values.map(({ labels, value }) => [labels.status, value]) ?? [])
  // Two refunds in part, one entry into the status.
  expect(counts).toEqual({ pending: 1, processing: 1, completed: 1, partially_refunded: 1 })
})
