import { randomUUID } from 'node:crypto'
import { eventually } from '@ashlar/platform/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Served, serve, WEBHOOK_SECRET } from '../../test/served.ts'
import { sign } from '../infrastructure/sandbox/signature.ts'

let served: Served
let ask: Served['ask']
beforeAll(async () => {
  served = await serve({ callLimitMs: 400, sends: false })
  ask = served.ask
})
afterAll(async () => {
  const verdict = await served.payments.verifyLedger()
  await served.close()
  expect(verdict).toMatchObject({ balanced: true, firstBad: null })
})

type Send = {
  secret?: string
  at?: Date
  signature?: string | null
  provider?: string
  alter?: (body: string) => string
}

/** Sends an event as the sandbox would, or as somebody else might. */
const send = async (event: object | string, options: Send = {}) => {
  const { secret = WEBHOOK_SECRET, at = new Date(), provider = 'sandbox', alter = (body) => body } = options
  const body = typeof event === 'string' ? event : JSON.stringify(event)
  const { signature = sign(secret, at, Buffer.from(body)) } = options
  const response = await fetch(`${served.url}/payments/webhooks/${provider}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(signature === null ? {} : { 'ashlar-signature': signature }) },
    body: alter(body),
  })
  const text = await response.text()
  return { status: response.status, code: text === '' ? undefined : JSON.parse(text).code }
}
const chargeEvent = (transactionId: string, attemptId: string, more: object = {}) => ({
  id: randomUUID(),
  type: 'charge.succeeded',
  createdAt: new Date().toISOString(),
  data: { attemptId, transactionId, kind: 'charge', outcome: 'succeeded', amount: '100.00', currency: 'EUR', ...more },
})
const newPayment = async (source: string, by = served): Promise<string> => {
  const json = { amount: '100.00', currency: 'EUR', method: 'credit_card', source }
  return (await by.ask('POST', '/payments/create', { json })).body.transactionId as string
}
const process = (id: string, by = served) => by.ask('POST', `/payments/${id}/process`, { json: {} })
const show = async (id: string, by = served) => (await by.ask('GET', `/payments/${id}`)).body
const attemptOf = async (id: string, by = served): Promise<string> => {
  const [row] = await by.database.sql<{ id: string }>('SELECT id FROM attempts WHERE transaction_id = $1', [id])
  return row?.id ?? ''
}
/** One whose end only a webhook can bring: the reconciler is kept away from it. */
const newProcessing = async (by = served): Promise<{ id: string; attemptId: string }> => {
  const id = await newPayment('tok_timeout_after_charge', by)
  const processing = process(id, by)
  await eventually(async () => (await attemptOf(id, by)) !== '')
  await by.database.sql(
    `UPDATE attempt_leases SET owner = gen_random_uuid(), leased_until = 'infinity', look_at = 'infinity'
     WHERE transaction_id = $1`,
    [id],
  )
  await processing
  return { id, attemptId: await attemptOf(id, by) }
}

test('the sandbox tells by itself how a call ended that was not answered, and that completes the payment', async () => {
  const telling = await serve({ callLimitMs: 400 })
  try {
    const { id } = await newProcessing(telling)
    await eventually(async () => (await show(id, telling)).status === 'completed')
    expect(await telling.sandbox.charges({ transactionId: id })).toMatchObject([
      { outcome: 'succeeded', receivedCount: 1 },
    ])
    expect(await telling.sandbox.repeatWebhooks({ transactionId: id })).toBe(1)
    const paid = await newPayment('tok_ok', telling)
    await process(paid, telling)
    expect(await show(id, telling)).toMatchObject({ status: 'completed', version: 3 })
  } finally {
    await telling.close()
  }
})

test('twenty times, before and after, in parallel: 204 each time and one transition', async () => {
  const { id, attemptId } = await newProcessing()
  const event = chargeEvent(id, attemptId)
  const answers = await Promise.all(Array.from({ length: 20 }, () => send(event)))
  expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(204))
  expect(await show(id)).toMatchObject({ status: 'completed', version: 3 })
  expect((await send(event)).status).toBe(204)
})

test('out of order and late ones are taken and move nothing', async () => {
  const id = await newPayment('tok_ok')
  const early = chargeEvent(id, randomUUID())
  expect((await send(early)).status).toBe(204)
  expect(await show(id)).toMatchObject({ status: 'pending', version: 1 })
  await process(id)
  const attemptId = await attemptOf(id)
  await ask('POST', `/payments/${id}/refunds`, { as: 'admin', json: { amount: '40.00' } })
  const before = await show(id)
  for (const type of ['charge.succeeded', 'charge.declined', 'charge.voided', 'refund.succeeded', 'something.new'])
    expect((await send({ ...chargeEvent(id, attemptId), type })).status).toBe(204)
  expect(await show(id)).toEqual(before)
})

test('a signed event that says more than is true is not believed', async () => {
  const id = await newPayment('tok_timeout_before_charge')
  const first = await process(id)
  expect(first.status).toBe(202)
  const attemptId = await attemptOf(id)
  for (const more of [{}, { amount: '0.01' }, { outcome: 'declined' }])
    expect((await send(chargeEvent(id, attemptId, more))).status).toBe(204)
  // Only what the provider itself says moves it: the reconciler's repeat, which is charged once.
  await eventually(async () => (await show(id)).status === 'completed')
  expect(await served.sandbox.charges({ transactionId: id })).toHaveLength(1)
})

test('whatever is not signed right, for these bytes and this time, is 401 and moves nothing', async () => {
  const { id, attemptId } = await newProcessing()
  const before = await show(id)
  expect(before.status).toBe('processing')
  const event = chargeEvent(id, attemptId)
  const minutes = (count: number) => new Date(Date.now() + count * 60_000)
  const old = sign(WEBHOOK_SECRET, minutes(-6), Buffer.from(JSON.stringify(event)))
  const attempts: Send[] = [
    { signature: null },
    { signature: '' },
    { signature: 't=1,v1=00' },
    { secret: 'whsec_of_another_endpoint' },
    { secret: ''.padEnd(16, 'x') },
    { at: minutes(-6) },
    { at: minutes(6) },
    { signature: old.replace(/t=\d+/, `t=${Math.floor(Date.now() / 1_000)}`) },
    { alter: (body) => body.replace('100.00', '900.00') },
    { alter: (body) => `${body} ` },
    { alter: (body) => body.slice(0, -1) },
    { alter: () => '' },
  ]
  for (const attempt of attempts) expect(await send(event, attempt)).toEqual({ status: 401, code: 'signature_invalid' })
  expect(await send('not json', { secret: 'another' })).toEqual({ status: 401, code: 'signature_invalid' })
  expect(await show(id)).toEqual(before)
  expect((await send(event)).status).toBe(204)
  expect(await show(id)).toMatchObject({ status: 'completed' })
})

test('what is signed but makes no sense is taken and ignored; what is too large is not read', async () => {
  for (const body of [
    '',
    'null',
    '[]',
    '"x"',
    'not json',
    '{"id":1}',
    '{"id":"a","data":{}}',
    '{"id":"a","data":{"attemptId":"../x","transactionId":"y","kind":"charge"}}',
  ])
    expect((await send(body)).status).toBe(204)
  expect((await send('x'.repeat(200_000))).status).toBe(413)
})

test('a provider that is not here is 404', async () => {
  const event = chargeEvent(randomUUID(), randomUUID())
  for (const provider of ['stripe', 'sandbox2', '__proto__', 'SANDBOX', '%00'])
    expect([400, 404]).toContain((await send(event, { provider })).status)
})

test('who settled it stands in the event', async () => {
  const { id, attemptId } = await newProcessing()
  await send(chargeEvent(id, attemptId))
  const seen: unknown[] = []
  const subscription = await served.bus.subscribe({
    name: 'payments-webhooks-test',
    types: ['payment.processed.v1'],
    handle: async (event) => {
      if (event.subject === id) seen.push(event.actor)
    },
  })
  await eventually(() => seen.length === 1)
  await subscription.stop()
  expect(seen).toEqual(['provider:sandbox'])
})
