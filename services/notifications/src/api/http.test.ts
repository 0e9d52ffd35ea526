import { randomUUID } from 'node:crypto'
import { userRegistered, userVerified } from '@ashlar/auth/contract'
import { eventually } from '@ashlar/platform/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  type Ask,
  type Asker,
  askerOf,
  openStage,
  type Reply,
  type Stage,
  type Started,
} from '../../test/composition.ts'

let stage: Stage
let started: Started
let ask: Asker

beforeAll(async () => {
  stage = await openStage()
  started = await stage.service()
  ask = await askerOf(started.service)
})
afterAll(async () => {
  await stage.stopAll()
  await stage.close()
})

const welcome = (to: string, more: object = {}) => ({
  template: 'welcome',
  to,
  variables: { firstName: 'Ada', lastName: 'Byron', email: to },
  ...more,
})
const send = (json: object, options: Ask = {}) => ask('POST', '/notifications/send', { json, ...options })
const pointersOf = ({ body }: Reply): string[] => [
  ...new Set(((body.errors ?? []) as { pointer: string }[]).map(({ pointer }) => pointer)),
]
const codeOf = ({ status, body }: Reply) => [status, body.code]
type Item = Record<string, unknown> & { id: string; timeline: { event: string; at: string; reason: string | null }[] }
const dataOf = ({ body }: Reply) => body.data as Item[]
const becomes = (id: unknown, expected: object): Promise<Item> =>
  eventually(async () => {
    const { body } = await ask('GET', `/notifications/${String(id)}`)
    expect(body).toMatchObject(expected)
    return body as Item
  })

describe('sending', () => {
  test('answers 202 with id and status, and the mail arrives once', async () => {
    const reply = await send(welcome('send@x.test'))
    expect(reply.status).toBe(202)
    expect(reply.body).toEqual({ id: expect.any(String), status: 'queued' })
    expect(reply.headers.get('location')).toBe(`/notifications/${String(reply.body.id)}`)
    const sent = await becomes(reply.body.id, { status: 'sent', to: 'send@x.test', templateVersion: 1, attempts: 1 })
    expect(sent.timeline.map(({ event }) => event)).toEqual(['queued', 'attempt', 'handed_over', 'sent'])
    const times = sent.timeline.map(({ at }) => at)
    expect(times).toEqual([...times].sort())
    const { data } = await started.service.mailbox.list({ to: 'send@x.test' })
    expect(data).toMatchObject([{ handOvers: 1, subject: 'Welcome to Ashlar', notificationId: reply.body.id }])
    expect(data[0]?.text).toContain('Hello Ada Byron,')
  })

  test('a repeat with the same key gets the same answer and makes no second mail', async () => {
    const key = randomUUID()
    const replies = await Promise.all([1, 2, 3, 4].map(() => send(welcome('twice@x.test'), { key })))
    const made = replies.filter(({ status }) => status === 202)
    expect(new Set(made.map(({ body }) => body.id)).size).toBe(1)
    const again = await send(welcome('twice@x.test'), { key })
    expect([again.status, again.body.id]).toEqual([202, made[0]?.body.id])
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect(codeOf(await send(welcome('other@x.test'), { key }))).toEqual([422, 'idempotency_key_reused'])
    expect(dataOf(await ask('GET', '/notifications?recipient=twice%40x.test'))).toHaveLength(1)
  })

  test('needs a key, the permission, and a body that the contract takes', async () => {
    expect(codeOf(await send(welcome('a@x.test'), { key: null }))).toEqual([400, 'idempotency_key_required'])
    expect(codeOf(await send(welcome('a@x.test'), { as: 'reader' }))).toEqual([403, 'forbidden'])
    expect(codeOf(await send({ ...welcome('a@x.test'), more: 1 }))).toEqual([400, 'validation_failed'])
  })

  test.each([
    ['a template that does not exist', { template: 'nothing' }, ['/template']],
    ['a template that is auth’s', { template: 'password-reset', variables: { link: 'https://evil' } }, ['/template']],
    [
      'a missing variable',
      { template: 'payment-received', variables: { amount: '1.00' } },
      expect.arrayContaining(['/variables/transactionId', '/variables/currency']),
    ],
    ['a null for a required variable', { variables: { email: null } }, ['/variables/email']],
    [
      'a variable that the template does not have',
      { variables: { email: 'a@x.test', 'a/b': 'x' } },
      ['/variables/a~1b'],
    ],
    [
      'a link of the caller’s own',
      { variables: { email: 'a@x.test', signInLink: 'https://evil' } },
      ['/variables/signInLink'],
    ],
    [
      'a line break in a name',
      { variables: { email: 'a@x.test', firstName: 'Eve\r\nBcc: all@x.test' } },
      ['/variables/firstName'],
    ],
    ['an object as a variable', { variables: { email: { type: 'Program' } } }, ['/variables/email']],
    ['a line break in the address', { to: 'a@x.test\r\nRCPT TO:<b@x.test>' }, ['/to']],
    ['two addresses', { to: 'a@x.test, b@x.test' }, ['/to']],
    ['an address with a name', { to: 'Eve <eve@x.test>' }, ['/to']],
    ['a list of addresses', { to: ['a@x.test'] }, ['/to']],
    ['no address', { to: '' }, ['/to']],
  ])('refuses %s with its place, and queues nothing', async (_what, more, pointers) => {
    const before = await stage.database.sql('SELECT count(*) FROM notifications')
    const reply = await send(welcome('refused@x.test', more))
    expect(codeOf(reply)).toEqual([400, 'validation_failed'])
    expect(pointersOf(reply)).toEqual(pointers)
    expect(await stage.database.sql('SELECT count(*) FROM notifications')).toEqual(before)
  })
})

describe('reading', () => {
  test('everybody sees his own messages, and nobody another’s without the permission', async () => {
    const people = ['own-a@x.test', 'own-b@x.test'].map((email) => ({ email, userId: stage.newId() }))
    for (const { email, userId } of people) {
      const data = { userId, email, firstName: null, lastName: null, timestamp: new Date().toISOString() }
      await stage.publish(userRegistered.of({ subject: userId, data }), userVerified.of({ subject: userId, data }))
    }
    const [a, b] = people
    const own = await eventually(async () => {
      const found = dataOf(await ask('GET', '/notifications', { as: `user.${a?.userId}` }))
      expect(found).toHaveLength(1)
      return found
    })
    expect(own).toMatchObject([{ template: 'welcome', userId: a?.userId, to: a?.email }])
    // Sent by hand to his address, it is his as well.
    const byHand = await send({
      template: 'payment-failed',
      to: 'OWN-A@x.test',
      variables: { transactionId: 't', amount: '1.00', errorMessage: 'declined' },
    })
    expect(byHand.status).toBe(202)
    expect(dataOf(await ask('GET', '/notifications', { as: `user.${a?.userId}` }))).toHaveLength(2)
    expect(dataOf(await ask('GET', `/notifications?userId=${a?.userId}`, { as: `user.${b?.userId}` }))).toEqual([])
    expect(dataOf(await ask('GET', '/notifications?recipient=own-a%40x.test', { as: `user.${b?.userId}` }))).toEqual([])

    const path = `/notifications/${own[0]?.id}`
    expect((await ask('GET', path, { as: `user.${a?.userId}` })).status).toBe(200)
    expect(codeOf(await ask('GET', path, { as: `user.${b?.userId}` }))).toEqual([404, 'not_found'])
    expect((await ask('GET', path, { as: 'reader' })).status).toBe(200)
    for (const absent of [randomUUID(), 'nothing', '1'])
      expect(codeOf(await ask('GET', `/notifications/${absent}`))).toEqual([404, 'not_found'])
    expect(dataOf(await ask('GET', `/notifications?recipient=OWN-a%40x.test`, { as: 'reader' }))).toHaveLength(2)
  })

  test('lists newest first, page by page without a gap, under every filter', async () => {
    const from = new Date().toISOString()
    const ids: unknown[] = []
    await Promise.all(
      Array.from({ length: 7 }, async (_, n) => ids.push((await send(welcome(`page${n}@x.test`))).body.id)),
    )
    for (const id of ids) await becomes(id, { status: 'sent' })
    const to = new Date(Date.now() + 1_000).toISOString()
    for (const filter of ['', '&template=welcome', '&status=sent']) {
      const query = `/notifications?limit=3&from=${from}&to=${to}${filter}`
      const found: Item[] = []
      let cursor: string | null = null
      do {
        const page: Reply = await ask('GET', `${query}${cursor === null ? '' : `&cursor=${cursor}`}`)
        found.push(...dataOf(page))
        cursor = (page.body.page as { nextCursor: string | null }).nextCursor
      } while (cursor !== null)
      expect(found.map(({ id }) => id).sort()).toEqual([...ids].sort())
      const times = found.map(({ createdAt }) => String(createdAt))
      expect(times).toEqual([...times].sort().reverse())
    }
    const first = await ask('GET', `/notifications?limit=3&from=${from}`)
    const { nextCursor } = first.body.page as { nextCursor: string }
    expect(codeOf(await ask('GET', `/notifications?limit=3&cursor=${nextCursor}`))).toEqual([400, 'cursor_invalid'])
    expect(dataOf(await ask('GET', `/notifications?to=${from}&template=welcome&recipient=page1%40x.test`))).toEqual([])
    expect(codeOf(await ask('GET', '/notifications?limit=101'))).toEqual([400, 'validation_failed'])
    expect(codeOf(await ask('GET', '/notifications?from=yesterday'))).toEqual([400, 'validation_failed'])
    const ancient = await ask('GET', '/notifications?to=0000-01-01T00:00:00Z')
    expect(codeOf(ancient)).toEqual([400, 'validation_failed'])
  })

  test('counts by status, template and day, and tells how long messages took', async () => {
    const { status, body } = await ask('GET', '/notifications/stats', { as: 'reader' })
    expect(status).toBe(200)
    const [row] = await stage.database.sql<{ all: number; sent: number; welcome: number }>(
      `SELECT count(*)::int AS all, count(*) FILTER (WHERE status = 'sent')::int AS sent,
              count(*) FILTER (WHERE template = 'welcome')::int AS welcome FROM notifications`,
    )
    expect(body).toMatchObject({ total: row?.all, byStatus: { sent: row?.sent, failed: 0 } })
    expect(body.byTemplate).toContainEqual(expect.objectContaining({ template: 'welcome', total: row?.welcome }))
    expect(body.byDay).toMatchObject([{ day: new Date().toISOString().slice(0, 10), total: row?.all }])
    const { p50, p99 } = body.latencySeconds as Record<string, number>
    expect(p50).toBeGreaterThan(0)
    expect(p99).toBeGreaterThanOrEqual(p50 ?? 0)

    const empty = await ask('GET', '/notifications/stats?from=2020-01-01T00:00:00Z&to=2020-01-02T00:00:00Z')
    expect(empty.body).toMatchObject({ total: 0, byDay: [], latencySeconds: { p50: null, p95: null, p99: null } })
    const ancient = await ask('GET', '/notifications/stats?to=0000-01-01T00:00:00Z')
    expect(codeOf(ancient)).toEqual([400, 'validation_failed'])
    for (const range of ['from=2020-01-02T00:00:00Z&to=2020-01-01T00:00:00Z', 'from=2020-01-01T00:00:00Z'])
      expect(pointersOf(await ask('GET', `/notifications/stats?${range}`))).toEqual(['/query/from'])
    expect(codeOf(await ask('GET', '/notifications/stats', { as: 'nobody' }))).toEqual([403, 'forbidden'])
  })
})

describe('suppressions', () => {
  const path = '/notifications/suppressions'
  const listed = (address: string, as?: string) => ask('GET', `${path}?address=${encodeURIComponent(address)}`, { as })

  test('a suppressed address gets nothing until it is taken off the list', async () => {
    const added = await ask('POST', path, { json: { address: 'Quiet@X.test', reason: 'asked for it' } })
    expect(added.status).toBe(201)
    expect(added.body).toMatchObject({ address: 'quiet@x.test', reason: 'asked for it', source: 'operator' })
    expect(dataOf(await listed('QUIET@x.test'))).toEqual([added.body])
    expect(dataOf(await ask('GET', path))[0]).toEqual(added.body)

    const silent = await send(welcome('quiet@x.test'))
    expect([silent.status, silent.body.status]).toEqual([202, 'suppressed'])
    const told = await becomes(silent.body.id, { status: 'suppressed', reason: 'address_suppressed', to: null })
    expect(told.timeline.map(({ event }) => event)).toEqual(['queued', 'suppressed'])
    const [link] = await stage.publish(stage.mailRequest({ email: 'quiet@x.test' }))
    await eventually(async () => {
      const rows = await stage.database.sql('SELECT status FROM notifications WHERE trigger_id = $1', [link])
      expect(rows).toEqual([{ status: 'suppressed' }])
    })

    expect((await ask('DELETE', `${path}?address=quiet%40x.test`)).status).toBe(204)
    expect((await ask('DELETE', `${path}?address=quiet%40x.test`)).status).toBe(204)
    expect(dataOf(await listed('quiet@x.test'))).toEqual([])
    await becomes((await send(welcome('quiet@x.test'))).body.id, { status: 'sent' })
  })

  test('a second one of the same address takes the place of the first, also at once', async () => {
    const all = await Promise.all(
      [1, 2, 3, 4].map((n) => ask('POST', path, { json: { address: 'again@x.test', reason: `reason ${n}` } })),
    )
    expect(all.map(({ status }) => status)).toEqual([201, 201, 201, 201])
    const found = dataOf(await listed('again@x.test'))
    expect(found).toMatchObject([{ address: 'again@x.test', reason: expect.stringMatching(/^reason \d$/) }])
  })

  test('what waits for the address is suppressed with it', async () => {
    await send(welcome('waits@x.test'))
    const second = await send(welcome('waits@x.test'))
    await becomes(second.body.id, { status: 'queued', reason: 'rate_limited', nextAttemptAt: expect.any(String) })
    await ask('POST', path, { json: { address: 'waits@x.test' } })
    await becomes(second.body.id, { status: 'suppressed', reason: 'address_suppressed' })
  })

  test('needs the permission and one address, and pages', async () => {
    expect(codeOf(await listed('a@x.test', 'reader'))).toEqual([403, 'forbidden'])
    for (const address of ['nobody', 'a@x.test\nb@x.test', 'a@x.test,b@x.test'])
      expect(pointersOf(await ask('POST', path, { json: { address } }))).toEqual(['/address'])
    expect(codeOf(await ask('DELETE', path))).toEqual([400, 'validation_failed'])
    for (const n of [1, 2, 3]) await ask('POST', path, { json: { address: `many${n}@x.test` } })
    const first = await ask('GET', `${path}?limit=2`)
    const { nextCursor } = first.body.page as { nextCursor: string }
    const next = await ask('GET', `${path}?limit=2&cursor=${nextCursor}`)
    const addresses = [...dataOf(first), ...dataOf(next)].map(({ address }) => address)
    expect(addresses.slice(0, 3)).toEqual(['many3@x.test', 'many2@x.test', 'many1@x.test'])
    expect(new Set(addresses).size).toBe(addresses.length)
  })
})

describe('templates', () => {
  const path = '/notifications/templates'
  const texts = { subject: 'Order {{order}}', html: '<p>{{order}}</p>', text: 'Order {{order}}' }
  const put = (name: string, json: object = texts, headers: Record<string, string> = {}) =>
    ask('PUT', `${path}/${name}`, { json, headers })

  test('those of the release are there in their first version', async () => {
    const page = await ask('GET', `${path}?limit=100`)
    const names = dataOf(page).map(({ name }) => name)
    expect(names).toEqual([...names].sort())
    for (const name of ['verify-email', 'welcome', 'otp-code', 'payment-received', 'security-alert'])
      expect(dataOf(page)).toContainEqual(expect.objectContaining({ name, version: 1, origin: 'built-in' }))
    const one = await ask('GET', `${path}/payment-failed`)
    expect(one.headers.get('etag')).toBe('"v1"')
    expect(one.body.variables).toEqual({
      transactionId: 'required',
      amount: 'required',
      errorMessage: 'required',
      currency: 'optional',
      date: 'optional',
      firstName: 'optional',
    })
    const first = await ask('GET', `${path}?limit=1`)
    const { nextCursor } = first.body.page as { nextCursor: string }
    expect(dataOf(await ask('GET', `${path}?limit=1&cursor=${nextCursor}`))[0]?.name).toBe(names[1])
    expect(codeOf(await ask('GET', path, { as: 'reader' }))).toEqual([403, 'forbidden'])
  })

  test('a PUT makes the next version, old ones stay, and a queued message keeps its own', async () => {
    const first = await put('order-shipped')
    expect([first.status, first.body.version, first.headers.get('etag')]).toEqual([200, 1, '"v1"'])
    expect(first.body).toMatchObject({ origin: 'own', variables: { order: 'required' }, ...texts })
    const order = (to: string) => send({ template: 'order-shipped', to, variables: { order: '2041' } })
    await becomes((await order('v@x.test')).body.id, { status: 'sent', templateVersion: 1 })
    const waiting = await order('v@x.test')

    const second = await put('order-shipped', { ...texts, subject: 'Shipped: {{order}}' })
    expect(second.body.version).toBe(2)
    expect((await ask('GET', `${path}/order-shipped`)).body).toEqual(second.body)
    expect((await ask('GET', `${path}/order-shipped?version=1`)).body).toEqual(first.body)
    expect(codeOf(await ask('GET', `${path}/order-shipped?version=3`))).toEqual([404, 'not_found'])
    await becomes(waiting.body.id, { status: 'queued', templateVersion: 1 })
    await becomes((await order('w@x.test')).body.id, { status: 'sent', templateVersion: 2 })
    const subjects = async (to: string) =>
      (await started.service.mailbox.list({ to })).data.map(({ subject }) => subject)
    expect(await subjects('v@x.test')).toEqual(['Order 2041'])
    expect(await subjects('w@x.test')).toEqual(['Shipped: 2041'])
  })

  test('of two who change the same version one is told to look again', async () => {
    expect(codeOf(await put('raced', texts, { 'if-match': '"v1"' }))).toEqual([412, 'precondition_failed'])
    await put('raced')
    const replies = await Promise.all([1, 2, 3].map(() => put('raced', texts, { 'if-match': '"v1"' })))
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 412, 412])
    expect(codeOf(await put('raced', texts, { 'if-match': 'W/"v2"' }))).toEqual([412, 'precondition_failed'])
    const blind = await Promise.all([1, 2, 3, 4].map(() => put('raced')))
    expect(blind.map(({ body }) => body.version).sort()).toEqual([3, 4, 5, 6])
  })

  test.each([
    [{ ...texts, html: '{{#if order}}' }, ['/html']],
    [{ ...texts, subject: '{{order', text: '{{lookup order "x"}}' }, ['/subject', '/text']],
    [{ ...texts, html: '{{{order}}}' }, ['/html']],
    [{ ...texts, subject: 'a\r\nBcc: b@x.test' }, ['/subject']],
    [{ subject: 'x', html: 'y' }, ['/text']],
    [{ ...texts, more: 'x' }, ['/more']],
  ])('texts that cannot be sent are refused with their place: %j', async (json, pointers) => {
    const reply = await put('refused', json)
    expect(codeOf(reply)).toEqual([400, 'validation_failed'])
    expect(pointersOf(reply)).toEqual(pointers)
    expect((await ask('GET', `${path}/refused`)).status).toBe(404)
  })

  test('an own version of a built-in one is used by events, and may ask for nothing that they do not have', async () => {
    const unknown = await put('verify-email', { ...texts })
    expect(pointersOf(unknown)).toEqual(['/subject', '/html', '/text'])
    const own = await put('verify-email', {
      subject: 'Prove it',
      html: '<a href="{{link}}">go</a>',
      text: 'Go: {{link}}',
    })
    expect(own.body).toMatchObject({ version: 2, origin: 'own' })
    await stage.publish(stage.mailRequest({ email: 'own-version@x.test' }))
    await eventually(async () => {
      const { data } = await started.service.mailbox.list({ to: 'own-version@x.test' })
      expect(data).toMatchObject([{ subject: 'Prove it' }])
      expect(data[0]?.links).toHaveLength(1)
    })
    expect(codeOf(await put('Not%20a%20name'))).toEqual([404, 'not_found'])
    expect(codeOf(await ask('GET', `${path}/nothing`))).toEqual([404, 'not_found'])
  })
})

test('the contract is served, each route as it is stated', () => {
  const document = started.service.http.openapi() as { paths: Record<string, object> }
  expect(Object.keys(document.paths).sort()).toEqual([
    '/notifications',
    '/notifications/send',
    '/notifications/stats',
    '/notifications/suppressions',
    '/notifications/templates',
    '/notifications/templates/{name}',
    '/notifications/{id}',
  ])
})
