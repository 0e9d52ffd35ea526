import type { TestDatabase, TestRuntime } from '@ashlar/platform/testing'
import { testDatabase, testRuntime } from '@ashlar/platform/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ChargeCall, type RefundCall, withinLimit } from '../../application/provider.ts'
import { sandboxMigrations } from '../../index.ts'
import { createSandboxProvider, type SandboxProvider } from './provider.ts'

let database: TestDatabase
let runtime: TestRuntime
let sandbox: SandboxProvider
beforeAll(async () => {
  database = await testDatabase('sandbox', sandboxMigrations)
  runtime = testRuntime()
  sandbox = createSandboxProvider({ runtime, databaseUrl: database.url })
})
afterAll(async () => {
  await sandbox.close()
  await database.close()
})

const chargeCall = (source: string): ChargeCall => ({
  attemptId: runtime.newId(),
  kind: 'charge',
  transactionId: runtime.newId(),
  money: { minor: 1_050n, currency: 'EUR' },
  method: 'credit_card',
  source,
})
const refundCall = (charge: ChargeCall): RefundCall => ({
  attemptId: runtime.newId(),
  kind: 'refund',
  transactionId: charge.transactionId,
  money: { minor: 50n, currency: 'EUR' },
  chargeReference: charge.attemptId,
})
const within = <T>(limitMs: number, call: (signal: AbortSignal) => Promise<T>) =>
  runtime.as(() => withinLimit(limitMs, call))
const charge = (call: ChargeCall, limitMs = 5_000, by = sandbox) => within(limitMs, (signal) => by.charge(call, signal))
const refund = (call: RefundCall, limitMs = 5_000) => within(limitMs, (signal) => sandbox.refund(call, signal))
const find = (call: ChargeCall | RefundCall) => within(5_000, (signal) => sandbox.find(call, signal))
const voidAttempt = (call: ChargeCall | RefundCall) => within(5_000, (signal) => sandbox.void(call, signal))
const rows = async (transactionId: string) =>
  (await sandbox.charges({ transactionId })).map(({ kind, outcome, receivedCount }) => [kind, outcome, receivedCount])

test('knows its own tokens by their form alone', () => {
  expect(sandbox.accepts('tok_ok')).toBe(true)
  for (const source of ['', 'tok_', 'TOK_OK', 'tok_ok ', 'constructor', '4242424242424242'])
    expect(sandbox.accepts(source)).toBe(false)
})

test('tok_ok books one charge however often and however parallel it is received', async () => {
  const call = chargeCall('tok_ok')
  const answers = await Promise.all(Array.from({ length: 10 }, () => charge(call)))
  expect(new Set(answers.map((each) => JSON.stringify(each)))).toEqual(
    new Set([JSON.stringify({ kind: 'succeeded', reference: call.attemptId })]),
  )
  expect(await sandbox.charges({ transactionId: call.transactionId })).toEqual([
    {
      attemptId: call.attemptId,
      transactionId: call.transactionId,
      kind: 'charge',
      amount: '10.50',
      currency: 'EUR',
      outcome: 'succeeded',
      receivedCount: 10,
      at: expect.stringMatching(/^\d{4}-.*Z$/),
    },
  ])
})

test('tok_declined is declined, with a reason, again and again', async () => {
  const call = chargeCall('tok_declined')
  const first = await charge(call)
  expect(first).toMatchObject({ kind: 'declined', failure: { code: 'card_declined' } })
  expect(await charge(call)).toEqual(first)
  expect(await find(call)).toEqual(first)
})

test('tok_slow takes three seconds', async () => {
  const started = performance.now()
  expect((await charge(chargeCall('tok_slow'), 10_000)).kind).toBe('succeeded')
  expect(performance.now() - started).toBeGreaterThan(2_900)
})

test('tok_timeout_before_charge hangs once and books nothing; its repeat succeeds, after a restart too', async () => {
  const call = chargeCall('tok_timeout_before_charge')
  expect((await charge(call, 300)).kind).toBe('unknown')
  expect(await find(call)).toEqual({ kind: 'not_found' })
  expect(await rows(call.transactionId)).toEqual([])

  const restarted = createSandboxProvider({ runtime, databaseUrl: database.url })
  expect((await charge(call, 5_000, restarted)).kind).toBe('succeeded')
  await restarted.close()
  expect(await rows(call.transactionId)).toEqual([['charge', 'succeeded', 2]])
})

test('tok_timeout_after_charge books and hangs; asking and repeating both find the one charge', async () => {
  const call = chargeCall('tok_timeout_after_charge')
  expect((await charge(call, 300)).kind).toBe('unknown')
  expect(await rows(call.transactionId)).toEqual([['charge', 'succeeded', 1]])
  expect((await find(call)).kind).toBe('succeeded')
  expect((await charge(call)).kind).toBe('succeeded')
  expect(await rows(call.transactionId)).toEqual([['charge', 'succeeded', 2]])
})

test('tok_unavailable never charges, but answers questions and voids; later arrivals are refused', async () => {
  const call = chargeCall('tok_unavailable')
  expect((await charge(call)).kind).toBe('unknown')
  expect((await charge(call)).kind).toBe('unknown')
  expect(await find(call)).toEqual({ kind: 'not_found' })
  expect(await voidAttempt(call)).toEqual({ kind: 'voided' })
  expect(await find(call)).toEqual({ kind: 'voided' })
  expect(await charge(call)).toEqual({ kind: 'voided' })
  expect(await rows(call.transactionId)).toEqual([
    ['void', 'voided', 1],
    ['charge', 'voided', 3],
  ])
})

test('a charge that arrives after the void of an attempt nobody knew is refused', async () => {
  const call = chargeCall('tok_ok')
  expect(await voidAttempt(call)).toEqual({ kind: 'voided' })
  expect(await charge(call)).toEqual({ kind: 'voided' })
  expect(await charge(call)).toEqual({ kind: 'voided' })
  expect(await rows(call.transactionId)).toEqual([
    ['void', 'voided', 1],
    ['charge', 'voided', 2],
  ])
})

test('a void that comes too late says how the attempt ended and changes nothing', async () => {
  const call = chargeCall('tok_ok')
  await charge(call)
  expect((await voidAttempt(call)).kind).toBe('succeeded')
  expect(await rows(call.transactionId)).toEqual([['charge', 'succeeded', 1]])
})

test('of a charge and a void at the same time one wins, and both hear of the same end', async () => {
  for (let round = 0; round < 10; round++) {
    const call = chargeCall('tok_ok')
    const [charged, voided] = await Promise.all([charge(call), voidAttempt(call)])
    expect(charged).toEqual(voided)
    const succeeded = (await rows(call.transactionId)).filter(([, outcome]) => outcome === 'succeeded')
    expect(succeeded).toHaveLength(charged.kind === 'succeeded' ? 1 : 0)
  }
})

test('a slow charge that is voided on its way is not booked', async () => {
  const call = chargeCall('tok_slow')
  const slow = charge(call, 10_000)
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(await voidAttempt(call)).toEqual({ kind: 'voided' })
  expect(await slow).toEqual({ kind: 'voided' })
})

test('refunds follow the token of their charge', async () => {
  const usual = chargeCall('tok_ok')
  await charge(usual)
  expect((await refund(refundCall(usual))).kind).toBe('succeeded')

  const declining = chargeCall('tok_refund_declined')
  expect((await charge(declining)).kind).toBe('succeeded')
  expect(await refund(refundCall(declining))).toMatchObject({
    kind: 'declined',
    failure: { code: 'refund_declined' },
  })

  const hanging = chargeCall('tok_refund_timeout')
  expect((await charge(hanging)).kind).toBe('succeeded')
  const call = refundCall(hanging)
  expect((await refund(call, 300)).kind).toBe('unknown')
  expect((await find(call)).kind).toBe('succeeded')
  expect((await refund(call)).kind).toBe('succeeded')
  expect(await rows(hanging.transactionId)).toEqual([
    ['charge', 'succeeded', 1],
    ['refund', 'succeeded', 2],
  ])
})

test('there is no refund without a charge', async () => {
  expect(await refund(refundCall(chargeCall('tok_ok')))).toMatchObject({
    kind: 'declined',
    failure: { code: 'charge_unknown' },
  })
})
