import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ask, type Reply, type Served, serve } from '../../test/served.ts'

let served: Served
let ask: Served['ask']
beforeAll(async () => {
  served = await serve({ callLimitMs: 400 })
  ask = served.ask
})
afterAll(() => served.close())

const create = (more: object = {}, options: Ask = {}) =>
  ask('POST', '/payments/create', {
    json: { amount: '100.00', currency: 'EUR', method: 'credit_card', source: 'tok_ok', ...more },
    ...options,
  })
const newPayment = async (more: object = {}): Promise<string> => (await create(more)).body.transactionId as string
const process = (id: string, options: Ask = {}) => ask('POST', `/payments/${id}/process`, { json: {}, ...options })
const refund = (id: string, options: Ask = {}) =>
  ask('POST', `/payments/${id}/refunds`, { json: { amount: '1.00' }, as: 'admin', ...options })
const put = (id: string, json: object, options: Ask = {}) =>
  ask('PUT', `/payments/${id}/status`, { json, as: 'operator', ...options })
const remove = (id: string, options: Ask = {}) => ask('DELETE', `/payments/${id}`, options)
const show = (id: string) => ask('GET', `/payments/${id}`)
const codeOf = ({ status, body }: Reply) => [status, body.code]
const ifMatch = (tag: string) => ({ headers: { 'if-match': tag } })

describe('versions', () => {
  test('every answer that shows a payment has the tag of its version', async () => {
    const created = await create()
    const id = created.body.transactionId as string
    expect(created.headers.get('etag')).toBe('"1"')
    expect((await show(id)).headers.get('etag')).toBe('"1"')
    const processed = await process(id)
    expect(processed.headers.get('etag')).toBe(`"${processed.body.version}"`)
    const canceled = await put(await newPayment(), { status: 'canceled' })
    expect(canceled.headers.get('etag')).toBe('"2"')
  })

  test('a replay has the tag of the first answer', async () => {
    const key = randomUUID()
    const first = await create({}, { key })
    await remove(first.body.transactionId as string)
    const again = await create({}, { key })
    expect([again.status, again.headers.get('etag'), again.text]).toEqual([201, '"1"', first.text])
  })

  test.each(['"7"', '"0"', 'W/"1"', '1', '"1', '""', '"2", "3"'])('If-Match: %s is another version', async (tag) => {
    const id = await newPayment()
    for (const reply of [
      await process(id, ifMatch(tag)),
      await put(id, { status: 'canceled' }, ifMatch(tag)),
      await remove(id, ifMatch(tag)),
    ])
      expect(codeOf(reply)).toEqual([412, 'precondition_failed'])
    await process(id)
    expect(codeOf(await refund(id, ifMatch('"1"')))).toEqual([412, 'precondition_failed'])
    expect((await show(id)).body).toMatchObject({ status: 'completed', refundedAmount: '0.00' })
  })

  test.each(['"1"', '*', '"9", "1"'])('If-Match: %s is this version', async (tag) => {
    expect((await remove(await newPayment(), ifMatch(tag))).status).toBe(204)
    expect((await put(await newPayment(), { status: 'canceled' }, ifMatch(tag))).status).toBe(200)
    const id = await newPayment()
    expect((await process(id, ifMatch(tag))).status).toBe(200)
    expect((await refund(id, ifMatch((await show(id)).headers.get('etag') ?? ''))).status).toBe(201)
  })

  test('a refusal for the version is not kept with the key, and a repeat of the own charge is no conflict', async () => {
    const id = await newPayment({ source: 'tok_timeout_after_charge' })
    const key = randomUUID()
    expect((await process(id, { key, ...ifMatch('"5"') })).status).toBe(412)
    expect((await process(id, { key, ...ifMatch('"1"') })).status).toBe(202)
    expect([200, 202]).toContain((await process(id, { key, ...ifMatch('"1"') })).status)
  })
})

describe('changing the status by hand', () => {
  test('needs the permission, and a payment', async () => {
    const id = await newPayment()
    for (const as of ['anna', 'admin', 'canceler'])
      expect(codeOf(await put(id, { status: 'canceled' }, { as }))).toEqual([403, 'forbidden'])
    expect(codeOf(await put(randomUUID(), { status: 'canceled' }))).toEqual([404, 'not_found'])
    expect(codeOf(await put('x', { status: 'canceled' }))).toEqual([404, 'not_found'])
  })

  test('a bank transfer is completed with a reason', async () => {
    const id = await newPayment({ method: 'bank_transfer' })
    const without = await put(id, { status: 'completed' })
    expect(codeOf(without)).toEqual([400, 'validation_failed'])
    expect(without.body.errors).toMatchObject([{ pointer: '/reason' }])
    const blank = await put(id, { status: 'completed', reason: '  ' })
    expect(blank.body.errors).toMatchObject([{ pointer: '/reason' }])
    const reply = await put(id, { status: 'completed', reason: 'on the statement' })
    expect([reply.status, reply.body.status, reply.body.version]).toEqual([200, 'completed', 2])
    expect(codeOf(await put(id, { status: 'completed', reason: 'again' }))).toEqual([409, 'payment_transition_illegal'])
    // There is no charge that a provider could give back.
    expect(codeOf(await refund(id))).toEqual([409, 'payment_transition_illegal'])
  })

  test.each(['pending', 'processing', 'completed', 'failed', 'partially_refunded', 'refunded'])(
    'a pending card payment does not become %s',
    async (status) => {
      const id = await newPayment()
      expect(codeOf(await put(id, { status }))).toEqual([409, 'payment_transition_illegal'])
      expect((await show(id)).body.status).toBe('pending')
    },
  )

  test.each([
    ['an unknown status', { status: 'paid' }],
    ['no status', { reason: 'x' }],
    ['an unknown field', { status: 'canceled', force: true }],
    ['a reason beyond its length', { status: 'canceled', reason: 'x'.repeat(501) }],
    ['NUL', { status: 'canceled', reason: 'a\0b' }],
  ])('%s is refused', async (_what, json) => {
    expect(codeOf(await put(await newPayment(), json))).toEqual([400, 'validation_failed'])
  })
})

describe('deleting', () => {
  test('cancels what is pending; again 204; the payment stays', async () => {
    const id = await newPayment()
    const first = await remove(id)
    expect([first.status, first.text]).toEqual([204, ''])
    expect((await remove(id)).status).toBe(204)
    expect((await show(id)).body).toMatchObject({ status: 'canceled', version: 2 })
    expect(codeOf(await process(id))).toEqual([409, 'payment_transition_illegal'])
  })

  test('what is not pending is 409, what is not mine 404; with the permission it is canceled', async () => {
    const id = await newPayment()
    expect(codeOf(await remove(id, { as: 'bert' }))).toEqual([404, 'not_found'])
    expect(codeOf(await remove(id, { as: 'admin' }))).toEqual([403, 'forbidden'])
    expect((await remove(id, { as: 'canceler' })).status).toBe(204)
    const charged = await newPayment()
    await process(charged)
    expect(codeOf(await remove(charged))).toEqual([409, 'payment_transition_illegal'])
    expect(codeOf(await remove(randomUUID()))).toEqual([404, 'not_found'])
  })
})
