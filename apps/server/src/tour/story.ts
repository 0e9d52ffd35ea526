import { randomBytes, randomUUID } from 'node:crypto'
import { type Answer, type Client, NotAsTold } from './client.ts'
import type { Entry, Witness } from './witness.ts'

export type Narrator = {
  chapter(title: string): void
  tell(line: string): void
  /** A fact that proves what was told. */
  proof(line: string): void
}

export type Stage = {
  client: Client
  witness: Witness
  narrator: Narrator
  /** Makes an administrator and answers its password, which nobody is shown. */
  makeAdministrator(email: string): Promise<string>
}

const must = (told: boolean, otherwise: string): void => {
  if (!told) throw new NotAsTold(otherwise)
}

const text = (answer: Answer, field: string): string => {
  const value = answer.body[field]
  if (typeof value !== 'string') throw new NotAsTold(`the answer has no ${field}`)
  return value
}

const entryLine = ({ chain, sequence, action, entity, actor, hash }: Entry): string =>
  `trail: ${chain} #${sequence} ${action} ${entity} by ${actor.type}:${actor.id} (hash ${hash.slice(0, 12)}…)`

/** The main job, told while it happens: somebody registers, pays once, and an auditor proves it. */
export const tellStory = async ({ client, witness, narrator, makeAdministrator }: Stage): Promise<void> => {
  const { chapter, tell, proof } = narrator
  const visit = randomUUID().slice(0, 8)
  const person = {
    email: `ada.${visit}@example.com`,
    password: `correct horse ${randomBytes(6).toString('hex')} battery`,
    firstName: 'Ada',
    lastName: 'Byron',
  }

  chapter('An auditor takes a seat')
  const auditorEmail = `auditor.${visit}@example.com`
  const auditorPassword = await makeAdministrator(auditorEmail)
  const auditor = text(
    await client.expect(200, {
      method: 'POST',
      path: '/auth/login',
      body: { email: auditorEmail, password: auditorPassword },
    }),
    'accessToken',
  )
  tell(`ashlar admin create ${auditorEmail} --password-stdin → an administrator with a random password`)

  chapter('Ada registers')
  const registered = await client.expect(202, { method: 'POST', path: '/auth/register', body: person })
  tell('POST /auth/register → 202, the same answer that a known address would get')
  proof(
    `events: ${(await witness.events(registered.requestId, ['user.registered.v1', 'mail.requested.v1'])).join(', ')}`,
  )
  const invitation = await witness.mail(person.email, 'verify-email')
  proof(`mail: "${invitation.subject}", handed over once`)
  proof(entryLine(await witness.entry(auditor, registered.requestId, 'auth', 'user', 'insert')))

  const refused = await client.expect(403, {
    method: 'POST',
    path: '/auth/login',
    body: { email: person.email, password: person.password },
  })
  tell(`POST /auth/login → 403 ${text(refused, 'code')}: the address is not proven yet`)

  chapter('She proves the address')
  const link = new URL(invitation.links[0] ?? 'http://nowhere/')
  const token = link.searchParams.get('token') ?? ''
  await client.expect(200, { method: 'GET', path: `${link.pathname}${link.search}` })
  tell('GET /verify-email?token=… → a page with a button; opening it does nothing by itself')
  const verified = await client.expect(200, { method: 'POST', path: '/auth/verify-email', body: { token } })
  tell('POST /auth/verify-email → 200')
  proof(`events: ${(await witness.events(verified.requestId, ['user.verified.v1'])).join(', ')}`)
  proof(`mail: "${(await witness.mail(person.email, 'welcome')).subject}", handed over once`)
  proof(entryLine(await witness.entry(auditor, verified.requestId, 'auth', 'user', 'update')))
  await client.expect(400, { method: 'POST', path: '/auth/verify-email', body: { token } })
  tell('the same link again → 400: it worked once')

  chapter('She signs in')
  const login = await client.expect(200, {
    method: 'POST',
    path: '/auth/login',
    body: { email: person.email, password: person.password },
  })
  const ada = text(login, 'accessToken')
  tell(`POST /auth/login → 200, an access token of ${String(login.body.expiresIn)} s and a refresh token`)
  proof(`events: ${(await witness.events(login.requestId, ['user.login.v1'])).join(', ')}`)
  proof(entryLine(await witness.entry(auditor, login.requestId, 'auth', 'session', 'event')))

  chapter('She pays, and is charged once')
  const order = {
    amount: '49.90',
    currency: 'EUR',
    method: 'credit_card',
    source: 'tok_ok',
    description: 'One year of tea',
  }
  const key = `order-${visit}`
  const create = { method: 'POST' as const, path: '/payments/create', token: ada, body: order, idempotencyKey: key }
  const created = await client.expect(201, create)
  const transactionId = text(created, 'transactionId')
  tell(`POST /payments/create → 201, ${order.amount} ${order.currency}, ${text(created, 'status')}`)
  proof(`events: ${(await witness.events(created.requestId, ['payment.created.v1'])).join(', ')}`)
  proof(`mail: "${(await witness.mail(person.email, 'payment-received')).subject}", handed over once`)
  proof(entryLine(await witness.entry(auditor, created.requestId, 'payments', 'payment', 'insert')))

  const again = await client.expect(201, create)
  must(text(again, 'transactionId') === transactionId, 'the same key made a second payment')
  must(again.headers.get('idempotent-replayed') === 'true', 'the replay does not say so')
  tell('the same call with the same Idempotency-Key → 201 again, the same payment, Idempotent-Replayed: true')

  const pay = {
    method: 'POST' as const,
    path: `/payments/${transactionId}/process`,
    token: ada,
    body: {},
    idempotencyKey: `${key}-pay`,
  }
  const paid = await client.expect(200, pay)
  must(text(paid, 'status') === 'completed', `the payment is ${text(paid, 'status')}`)
  await client.expect(200, pay)
  tell('POST /payments/:id/process, twice → 200 completed, both times')
  const booked = (await witness.charges(transactionId)).filter(({ kind }) => kind === 'charge')
  must(booked.length === 1, `the provider booked ${booked.length} charges`)
  proof(`provider: ${booked.length} charge of ${booked[0]?.amount} ${booked[0]?.currency}, ${booked[0]?.outcome}`)
  proof(`events: ${(await witness.events(paid.requestId, ['payment.processed.v1'])).join(', ')}`)
  proof(`mail: "${(await witness.mail(person.email, 'payment-confirmation')).subject}", handed over once`)
  const completion = await witness.entry(auditor, paid.requestId, 'payments', 'payment', 'update')
  proof(entryLine(completion))

  chapter('A refund, and no second one')
  const refund = (amount: string) => ({
    method: 'POST' as const,
    path: `/payments/${transactionId}/refunds`,
    token: auditor,
    body: { amount, reason: 'the tea was cold' },
    idempotencyKey: `refund-${randomUUID()}`,
  })
  const refunded = await client.expect(201, refund('30.00'))
  tell('POST /payments/:id/refunds of 30.00 → 201')
  proof(`events: ${(await witness.events(refunded.requestId, ['payment.refunded.v1'])).join(', ')}`)
  proof(`mail: "${(await witness.mail(person.email, 'payment-refunded')).subject}", handed over once`)
  const tooMuch = await client.expect(422, refund('30.00'))
  tell(`another 30.00 → 422 ${text(tooMuch, 'code')}: 19.90 are left`)

  chapter('She signs out')
  await client.expect(204, { method: 'POST', path: '/auth/logout', token: ada })
  await client.expect(401, { method: 'GET', path: '/auth/profile', token: ada })
  tell('POST /auth/logout → 204; the very next request with her token → 401')

  chapter('The auditor proves it')
  const { body: timeline } = await client.expect(200, {
    method: 'GET',
    path: `/audit/timeline/payment/${transactionId}`,
    token: auditor,
  })
  for (const { action, source, actor, after } of timeline.data as Entry[]) {
    const what = `${action} ${source.table} ${String(after?.status ?? '')}`
    proof(`${what.padEnd(38)} by ${actor.type}:${actor.id}`)
  }
  const { body: verdict } = await client.expect(200, { method: 'POST', path: '/audit/verify', token: auditor })
  must(verdict.valid === true, `the trail does not verify: ${JSON.stringify(verdict.firstBad)}`)
  tell(`POST /audit/verify → valid, ${String(verdict.checked)} entries checked`)

  await client.expect(204, { method: 'POST', path: '/auth/logout-all', token: auditor })
  await client.expect(401, { method: 'GET', path: '/auth/profile', token: auditor })
  tell("the auditor's sessions are ended; nobody knows the password")
}
