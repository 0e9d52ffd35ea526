import { eventually, type TestDatabase, type TestRuntime, testDatabase, testRuntime } from '@ashlar/platform/testing'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createReceiver } from '../../../test/receiver.ts'
import type { ChargeCall } from '../../application/provider.ts'
import { sandboxMigrations } from '../../index.ts'
import { createSandboxProvider, type SandboxProvider } from './provider.ts'
import { isSigned } from './signature.ts'

const secret = 'whsec_0123456789abcdef'
let database: TestDatabase
let runtime: TestRuntime
const opened: { close(): Promise<unknown> }[] = []
beforeAll(async () => {
  database = await testDatabase('sandbox', sandboxMigrations)
  runtime = testRuntime()
})
beforeEach(async () => {
  for (const each of opened.splice(0)) await each.close()
  await database.sql('TRUNCATE deliveries')
})
afterAll(async () => {
  for (const each of opened.splice(0)) await each.close()
  await database.close()
})

const open = async (answer?: (count: number) => number | Promise<number>) => {
  const receiver = await createReceiver(answer)
  opened.push(receiver)
  return receiver
}
const newSandbox = (url: string): SandboxProvider => {
  const sandbox = createSandboxProvider({
    runtime,
    databaseUrl: database.url,
    webhooks: { url, secret, pollMs: 10 },
  })
  opened.push(sandbox)
  return sandbox
}
const call = (source: string): ChargeCall => ({
  attemptId: runtime.newId(),
  kind: 'charge',
  transactionId: runtime.newId(),
  money: { minor: 1_050n, currency: 'EUR' },
  method: 'credit_card',
  source,
})
const charge = (sandbox: SandboxProvider, source = 'tok_ok', what = call(source)) =>
  runtime.as(() => sandbox.charge(what, AbortSignal.timeout(5_000))).then(() => what)
const deliveries = () =>
  database.sql<{ sends: number; open: boolean; done: boolean; last_failure: string | null }>(
    `SELECT sends, send_at IS NOT NULL AS open, delivered_at IS NOT NULL AS done, last_failure FROM deliveries`,
  )
/** Lets the pause before the next try pass. */
const hurry = () => database.sql('UPDATE deliveries SET send_at = clock_timestamp() WHERE send_at IS NOT NULL')

test('each attempt that ends is told once, signed, with what happened', async () => {
  const receiver = await open()
  const sandbox = newSandbox(receiver.url)
  sandbox.start()
  const paid = await charge(sandbox)
  const declined = await charge(sandbox, 'tok_declined')
  const never = call('tok_ok')
  await runtime.as(() => sandbox.void(never, AbortSignal.timeout(5_000)))
  const refund = { ...paid, attemptId: runtime.newId(), kind: 'refund' as const, chargeReference: paid.attemptId }
  await runtime.as(() => sandbox.refund(refund, AbortSignal.timeout(5_000)))
  await charge(sandbox, 'tok_ok', paid)
  await eventually(async () => (await deliveries()).filter(({ done }) => done).length === 4)

  const told = receiver.received.map(({ body }) => JSON.parse(body.toString('utf8')))
  expect(told).toHaveLength(4)
  const of = (attemptId: string) => told.find(({ data }) => data.attemptId === attemptId)
  expect(of(paid.attemptId)).toEqual({
    id: expect.any(String),
    type: 'charge.succeeded',
    createdAt: expect.stringMatching(/Z$/),
    data: {
      attemptId: paid.attemptId,
      transactionId: paid.transactionId,
      kind: 'charge',
      outcome: 'succeeded',
      amount: '10.50',
      currency: 'EUR',
    },
  })
  expect([declined, never, refund].map(({ attemptId }) => of(attemptId).type)).toEqual([
    'charge.declined',
    'charge.voided',
    'refund.succeeded',
  ])
  for (const { headers, body } of receiver.received) {
    expect(isSigned({ secret, toleranceSeconds: 1 }, headers['ashlar-signature'], runtime.clock.now(), body)).toBe(true)
    expect(headers['content-type']).toBe('application/json')
  }
})

test('what is not taken is sent again with a pause in between, and not after it was taken', async () => {
  const receiver = await open((count) => [500, 302, 429, 204][count - 1] ?? 204)
  const sandbox = newSandbox(receiver.url)
  await charge(sandbox)
  sandbox.start()
  for (const failure of ['answered 500', 'TypeError', 'answered 429']) {
    await eventually(async () => (await deliveries())[0]?.last_failure?.includes(failure) === true)
    expect(await deliveries()).toMatchObject([{ open: true, done: false }])
    await hurry()
  }
  await eventually(async () => (await deliveries())[0]?.done === true)
  expect(await deliveries()).toEqual([{ sends: 4, open: false, done: true, last_failure: null }])
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(receiver.received).toHaveLength(4)
  expect(new Set(receiver.received.map(({ body }) => body.toString('utf8'))).size).toBe(1)
})

test('what nobody took is sent by the next start, to where it goes then', async () => {
  const gone = newSandbox('http://127.0.0.1:9/nobody')
  gone.start()
  const paid = await charge(gone)
  await eventually(async () => (await deliveries())[0]?.last_failure != null)
  await gone.close()
  await hurry()
  const receiver = await open()
  newSandbox(receiver.url).start()
  await eventually(() => receiver.received.length === 1)
  expect(receiver.received[0]?.body.toString('utf8')).toContain(paid.attemptId)
})

test('it gives up in the end', async () => {
  const sandbox = newSandbox('http://127.0.0.1:9/nobody')
  await charge(sandbox)
  await database.sql('UPDATE deliveries SET sends = 19')
  sandbox.start()
  await eventually(async () => (await deliveries())[0]?.open === false)
  expect(await deliveries()).toMatchObject([{ sends: 20, done: false }])
})

test('all webhooks of a payment can be sent once more', async () => {
  const receiver = await open()
  const sandbox = newSandbox(receiver.url)
  sandbox.start()
  const { transactionId } = await charge(sandbox)
  await charge(sandbox)
  await eventually(async () => (await deliveries()).every(({ done }) => done) && receiver.received.length === 2)
  expect(await sandbox.repeatWebhooks({ transactionId })).toBe(1)
  await eventually(() => receiver.received.length === 3)
  const [first, again] = receiver.received.filter(({ body }) => body.toString('utf8').includes(transactionId))
  expect(again?.body).toEqual(first?.body)
})

test('two processes on the same books send each webhook once', async () => {
  const receiver = await open()
  const [one, other] = [newSandbox(receiver.url), newSandbox(receiver.url)]
  for (let index = 0; index < 10; index++) await charge(one)
  one.start()
  other.start()
  await eventually(async () => (await deliveries()).every(({ done }) => done))
  expect(receiver.received).toHaveLength(10)
})

test('stopping cuts off a receiver that does not answer, and the webhook is sent after the next start', async () => {
  const hangs = await open(() => new Promise<number>(() => undefined))
  const sandbox = newSandbox(hangs.url)
  await charge(sandbox)
  sandbox.start()
  await eventually(() => hangs.received.length === 1)
  const began = performance.now()
  await sandbox.stop()
  expect(performance.now() - began).toBeLessThan(3_000)
  expect(await deliveries()).toMatchObject([{ open: true, done: false }])
  await hurry()
  sandbox.start()
  await eventually(() => hangs.received.length === 2)
})

test('without webhooks nothing is kept for sending', async () => {
  const sandbox = createSandboxProvider({ runtime, databaseUrl: database.url })
  opened.push(sandbox)
  sandbox.start()
  await charge(sandbox)
  expect(await deliveries()).toEqual([])
})
