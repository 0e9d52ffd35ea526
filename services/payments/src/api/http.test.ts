import { randomUUID } from 'node:crypto'
import type { Envelope } from '@ashlar/platform/events'
import { eventually } from '@ashlar/platform/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Ask, type Reply, type Served, serve } from '../../test/served.ts'

let served: Served
let ask: Served['ask']
let sandbox: Served['sandbox']
beforeAll(async () => {
  served = await serve()
  ask = served.ask
  sandbox = served.sandbox
})
afterAll(() => served.close())

const order = (more: object = {}) => ({
  amount: '100.00',
  currency: 'EUR',
  method: 'credit_card',
  source: 'tok_ok',
  ...more,
})
const create = (more: object = {}, options: Ask = {}) =>
  ask('POST', '/payments/create', { json: order(more), ...options })
const newPayment = async (more: object = {}): Promise<string> => (await create(more)).body.transactionId as string
const process = (id: string, options: Ask = {}) => ask('POST', `/payments/${id}/process`, { json: {}, ...options })
const refund = (id: string, json: object = {}, options: Ask = {}) =>
  ask('POST', `/payments/${id}/refunds`, { json, as: 'admin', ...options })
const codeOf = ({ status, body }: Reply) => [status, body.code]

describe('creating', () => {
  test('answers 201 with the place and the whole payment', async () => {
    const reply = await create({ description: 'A chair', metadata: { order: 7, tags: ['oak'] } })
    expect(reply.status).toBe(201)
    expect(reply.headers.get('location')).toBe(`/payments/${reply.body.transactionId}`)
    expect(reply.body).toEqual({
      transactionId: expect.any(String),
      userId: served.anna,
      amount: '100.00',
      currency: 'EUR',
      method: 'credit_card',
      status: 'pending',
      refundedAmount: '0.00',
      description: 'A chair',
      metadata: { order: 7, tags: ['oak'] },
      failure: null,
      attempts: 0,
      version: 1,
      createdAt: expect.stringMatching(/Z$/),
      updatedAt: expect.stringMatching(/Z$/),
    })
    const again = await ask('GET', `/payments/${reply.body.transactionId}`)
    expect([again.status, again.body]).toEqual([200, reply.body])
    expect((await ask('POST', '/payments', { json: order() })).status).toBe(201)
  })

  test('a repeat gets the same bytes; another body or another path with the same key does not', async () => {
    const key = randomUUID()
    const first = await create({}, { key })
    const again = await create({}, { key })
    expect([again.status, again.text, again.headers.get('location')]).toEqual([
      201,
      first.text,
      first.headers.get('location'),
    ])
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect(codeOf(await create({ amount: '100.01' }, { key }))).toEqual([422, 'idempotency_key_reused'])
    expect((await create({}, { key, as: 'bert' })).body.transactionId).not.toBe(first.body.transactionId)
  })

  test('a hundred with one key make one payment', async () => {
    const key = randomUUID()
    const replies = await Promise.all(Array.from({ length: 100 }, () => create({ amount: '12.34' }, { key })))
    const made = replies.filter(({ status }) => status === 201)
    expect(new Set(made.map(({ text }) => text)).size).toBe(1)
    for (const reply of replies.filter(({ status }) => status !== 201))
      expect(codeOf(reply)).toEqual([409, 'request_in_progress'])
    const list = await ask('GET', '/payments?currency=EUR&minAmount=12.34&maxAmount=12.34')
    expect(list.body.data).toHaveLength(1)
  })

  test('needs a key, and a token', async () => {
    expect(codeOf(await create({}, { key: null }))).toEqual([400, 'idempotency_key_required'])
    expect(codeOf(await create({}, { as: 'bad' }))).toEqual([401, 'access_token_invalid'])
  })

  test.each([
    ['0.00', 'EUR'],
    ['-1.00', 'EUR'],
    ['+1.00', 'EUR'],
    ['1', 'EUR'],
    ['1.0', 'EUR'],
    ['1.000', 'EUR'],
    ['01.00', 'EUR'],
    ['.50', 'EUR'],
    ['1e2', 'EUR'],
    ['0x10', 'EUR'],
    ['1,00', 'EUR'],
    ['1.00\n', 'EUR'],
    [' 1.00', 'EUR'],
    ['١.٠٠', 'EUR'],
    ['', 'EUR'],
    ['10000000000.00', 'EUR'],
    ['9'.repeat(1_000), 'JPY'],
    [1, 'EUR'],
    [null, 'EUR'],
    [['1.00'], 'EUR'],
    ['1.00', 'JPY'],
    ['1.00', 'eur'],
    ['1.00', 'XXX'],
    ['1.00', 'XAU'],
    ['1.00', '__proto__'],
  ])('refuses %j %s with its place', async (amount, currency) => {
    const reply = await create({ amount, currency })
    expect(codeOf(reply)).toEqual([400, 'validation_failed'])
    expect((reply.body.errors as { pointer: string }[])[0]?.pointer).toMatch(/^\/(amount|currency)$/)
  })

  test.each([
    ['0.01', 'EUR'],
    ['9999999999.99', 'EUR'],
    ['1', 'JPY'],
    ['999999999999', 'JPY'],
    ['0.001', 'KWD'],
    ['0.0001', 'CLF'],
  ])('takes %s %s as it is', async (amount, currency) => {
    expect((await create({ amount, currency })).body).toMatchObject({ amount, currency })
  })

  test.each([
    ['an unknown field', { status: 'completed' }, '/status'],
    ['another method', { method: 'cash' }, '/method'],
    ['NUL', { description: 'a\0b' }, '/description'],
    ['half a surrogate pair', { metadata: { a: ['\ud800'] } }, '/metadata/a/0'],
    ['NUL in a name', { metadata: { 'a\0': 1 } }, '/metadata'],
    ['51 keys', { metadata: Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`k${i}`, i])) }, '/metadata'],
    ['more than 8 KiB', { metadata: { a: 'é'.repeat(4_100) } }, '/metadata'],
    ['metadata that is a list', { metadata: ['a'] }, '/metadata'],
  ])('refuses %s', async (_what, more, pointer) => {
    const reply = await create(more)
    expect(codeOf(reply)).toEqual([400, 'validation_failed'])
    expect((reply.body.errors as { pointer: string }[])[0]?.pointer).toBe(pointer)
  })
})

describe('metadata', () => {
  test.each(['1e400', '{"a":[-1e999]}'])('refuses %s, a number that no store can hold', async (value) => {
    const raw = `{"amount":"1.00","currency":"EUR","method":"paypal","metadata":{"a":${value}}}`
    expect(codeOf(await ask('POST', '/payments/create', { raw }))).toEqual([400, 'validation_failed'])
  })

  test('reads the same, byte for byte, when it was created and ever after', async () => {
    const made = await create({ metadata: { zeta: 1, b: { y: [1e21, -0, 0.1], x: 'é' }, alpha: 2, 10: 'ten', 9: '' } })
    const { transactionId } = made.body as { transactionId: string }
    const read = await ask('GET', `/payments/${transactionId}`)
    expect([read.text, read.headers.get('etag')]).toEqual([made.text, made.headers.get('etag')])
  })
})

describe('processing', () => {
  test('answers 200 and replays it to the letter', async () => {
    const id = await newPayment()
    const key = randomUUID()
    const first = await process(id, { key })
    expect([first.status, first.body.status]).toEqual([200, 'completed'])
    const again = await process(id, { key })
    expect([again.status, again.text, again.headers.get('idempotent-replayed')]).toEqual([200, first.text, 'true'])
    expect(codeOf(await process(id))).toEqual([409, 'payment_transition_illegal'])
  })

  test('takes no body at all', async () => {
    expect((await ask('POST', `/payments/${await newPayment()}/process`)).body.status).toBe('completed')
  })

  test('a declined one is 200 and failed, with the reason', async () => {
    const reply = await process(await newPayment({ source: 'tok_declined' }))
    expect([reply.status, reply.body.status]).toEqual([200, 'failed'])
    expect(reply.body.failure).toEqual({ code: 'card_declined', message: expect.any(String) })
  })

  test('an unknown and a missing source are 422', async () => {
    expect(codeOf(await process(await newPayment({ source: 'tok_nobody_knows' })))).toEqual([422, 'source_unknown'])
    expect(codeOf(await process(await newPayment({ source: undefined })))).toEqual([422, 'source_required'])
  })

  test('a time-out is 202, then 200 for its key once the reconciler was there, without a second charge', async () => {
    const id = await newPayment({ source: 'tok_timeout_after_charge' })
    const key = randomUUID()
    const first = await process(id, { key })
    expect([first.status, first.body.status]).toEqual([202, 'processing'])
    await eventually(async () => (await ask('GET', `/payments/${id}`)).body.status === 'completed')
    const then = await process(id, { key })
    expect([then.status, then.body.status]).toEqual([200, 'completed'])
    expect((await process(id, { key })).text).toBe(then.text)
    expect(codeOf(await process(id))).toEqual([409, 'payment_transition_illegal'])
    const charges = await sandbox.charges({ transactionId: id })
    expect(charges.map(({ kind, outcome }) => [kind, outcome])).toEqual([['charge', 'succeeded']])
  })

  test.each(['one key', 'different keys'])('twenty at once with %s charge once', async (kind) => {
    const id = await newPayment()
    const key = kind === 'one key' ? randomUUID() : undefined
    const replies = await Promise.all(Array.from({ length: 20 }, () => process(id, { key })))
    for (const { status } of replies) expect([200, 202, 409]).toContain(status)
    expect(replies.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(1)
    expect(await sandbox.charges({ transactionId: id })).toMatchObject([{ outcome: 'succeeded', receivedCount: 1 }])
  })

  test('a payment that is not mine, not there or not an id is 404', async () => {
    const id = await newPayment()
    for (const reply of [
      await process(id, { as: 'bert' }),
      await ask('GET', `/payments/${id}`, { as: 'bert' }),
      await ask('GET', `/payments/${id}/refunds`, { as: 'bert' }),
      await process(randomUUID()),
      await ask('GET', '/payments/not-an-id'),
    ])
      expect(codeOf(reply)).toEqual([404, 'not_found'])
    expect((await ask('GET', `/payments/${id}`, { as: 'admin' })).status).toBe(200)
  })
})

describe('refunding', () => {
  test('needs the permission', async () => {
    const id = await newPayment()
    await process(id)
    expect(codeOf(await refund(id, {}, { as: 'anna' }))).toEqual([403, 'forbidden'])
  })

  test('answers 201, replays it, and shows it to the owner', async () => {
    const id = await newPayment()
    await process(id)
    const key = randomUUID()
    const first = await refund(id, { amount: '60.00', reason: 'Too small' }, { key })
    expect(first.status).toBe(201)
    expect(first.body).toEqual({
      id: expect.any(String),
      transactionId: id,
      amount: '60.00',
      currency: 'EUR',
      status: 'succeeded',
      reason: 'Too small',
      createdAt: expect.any(String),
    })
    const again = await refund(id, { amount: '60.00', reason: 'Too small' }, { key })
    expect([again.status, again.text, again.headers.get('idempotent-replayed')]).toEqual([201, first.text, 'true'])
    expect(codeOf(await refund(id, { amount: '40.01' }))).toEqual([422, 'refund_exceeds_payment'])
    expect((await refund(id)).body.amount).toBe('40.00')
    expect(codeOf(await refund(id))).toEqual([409, 'payment_transition_illegal'])

    const page = await ask('GET', `/payments/${id}/refunds?limit=1`)
    expect(page.body).toMatchObject({ data: [{ amount: '40.00' }], page: { hasMore: true } })
    const { nextCursor } = page.body.page as { nextCursor: string }
    const rest = await ask('GET', `/payments/${id}/refunds?limit=1&cursor=${nextCursor}`)
    expect(rest.body).toMatchObject({ data: [first.body], page: { nextCursor: null, hasMore: false } })
    expect((await ask('GET', `/payments/${id}`)).body).toMatchObject({ status: 'refunded', refundedAmount: '100.00' })
  })

  test.each(['0.00', '-1.00', '1', '1.000', '01.00', '99999999999.00'])('refuses the amount %s', async (amount) => {
    const id = await newPayment()
    await process(id)
    const reply = await refund(id, { amount })
    expect(codeOf(reply)).toEqual([400, 'validation_failed'])
    expect(reply.body.errors).toMatchObject([{ pointer: '/amount' }])
  })

  test('of fifty refunds of 60 on 100 exactly one succeeds', async () => {
    const id = await newPayment()
    await process(id)
    const replies = await Promise.all(Array.from({ length: 50 }, () => refund(id, { amount: '60.00' })))
    expect(replies.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(replies.filter(({ body }) => body.code === 'refund_exceeds_payment')).toHaveLength(49)
  })
})

describe('listing', () => {
  test('is of one’s own, newest first, page by page; of all for who may', async () => {
    const ids: string[] = []
    for (let index = 0; index < 5; index++) {
      const reply = await create({}, { as: 'carl' })
      ids.unshift(reply.body.transactionId as string)
    }
    const seen: unknown[] = []
    let path = '/payments?limit=2'
    for (;;) {
      const { status, body } = await ask('GET', path, { as: 'carl' })
      expect(status).toBe(200)
      seen.push(...(body.data as { transactionId: string }[]).map(({ transactionId }) => transactionId))
      const { nextCursor, hasMore } = body.page as { nextCursor: string | null; hasMore: boolean }
      expect(hasMore).toBe(nextCursor !== null)
      if (nextCursor === null) break
      path = `/payments?limit=2&cursor=${nextCursor}`
    }
    expect(seen).toEqual(ids)
    const all = await ask('GET', '/payments?limit=100', { as: 'admin' })
    expect(new Set((all.body.data as { userId: string }[]).map(({ userId }) => userId)).size).toBeGreaterThan(1)
  })

  test('a bound of time before 1900 is refused', async () => {
    for (const bound of ['from', 'to'])
      expect((await ask('GET', `/payments?${bound}=0000-01-01T00:00:00Z`, { as: 'carl' })).status).toBe(400)
  })

  test('a cursor is of use only in its own list', async () => {
    for (let index = 0; index < 2; index++) await create({}, { as: 'dora' })
    const { body } = await ask('GET', '/payments?limit=1', { as: 'dora' })
    const { nextCursor } = body.page as { nextCursor: string }
    for (const reply of [
      await ask('GET', `/payments?limit=1&status=pending&cursor=${nextCursor}`, { as: 'dora' }),
      await ask('GET', `/payments?limit=1&cursor=${nextCursor}`, { as: 'carl' }),
      await ask('GET', `/payments?limit=1&cursor=${nextCursor}x`, { as: 'dora' }),
    ])
      expect(codeOf(reply)).toEqual([400, 'cursor_invalid'])
  })

  test.each([
    'minAmount=1.00',
    'maxAmount=1&currency=EUR',
    'status=paid',
    'from=yesterday',
    'limit=101',
    'currency=eur',
  ])('refuses ?%s', async (query) => {
    expect(codeOf(await ask('GET', `/payments?${query}`))).toEqual([400, 'validation_failed'])
  })
})

test('events reach the bus in the order of their payment, with exactly the data of the contract', async () => {
  const seen: Envelope[] = []
  const types = ['payment.created.v1', 'payment.processed.v1', 'payment.failed.v1', 'payment.refunded.v1']
  const id = await newPayment()
  await process(id)
  await refund(id, { amount: '60.00' })
  const subscription = await served.bus.subscribe({
    name: 'payments-test',
    types,
    handle: async (event) => {
      if (event.subject === id) seen.push(event)
    },
  })
  await eventually(() => seen.length === 3)
  await subscription.stop()
  expect(seen.map(({ type, sequence }) => [type, sequence])).toEqual([
    ['payment.created.v1', 1],
    ['payment.processed.v1', 3],
    ['payment.refunded.v1', 5],
  ])
  expect(Object.keys(seen[0]?.data as object).sort()).toEqual([
    'amount',
    'currency',
    'method',
    'timestamp',
    'transactionId',
    'userId',
  ])
})

test('its state is told: health of store and provider, counts of payments', async () => {
  const health = await ask('GET', '/health')
  expect(health.body).toMatchObject({
    status: 'ok',
    dependencies: { postgres: { status: 'up' }, sandbox: { status: 'up' } },
  })
  const response = await fetch(`${served.url}/metrics`)
  expect(await response.text()).toMatch(/payments_total\{status="completed",currency="EUR",service="payments"\} \d+/)
})
