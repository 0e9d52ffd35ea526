import { randomUUID } from 'node:crypto'
import type { Instance } from './instance.ts'
import { until } from './instance.ts'

export type Answer = { status: number; body: Record<string, unknown>; headers: Headers }

export type Request = { token?: string; body?: unknown; key?: string; headers?: Record<string, string> }

/** One HTTP call to an instance; the body is parsed where it is JSON. */
export const call = async (
  instance: Instance,
  method: string,
  path: string,
  request: Request = {},
): Promise<Answer> => {
  const response = await fetch(`${instance.url}${path}`, {
    method,
    headers: {
      ...(request.token && { authorization: `Bearer ${request.token}` }),
      ...(request.body !== undefined && { 'content-type': 'application/json' }),
      ...(request.key && { 'idempotency-key': request.key }),
      ...request.headers,
    },
    body: request.body === undefined ? undefined : JSON.stringify(request.body),
    signal: AbortSignal.timeout(40_000),
  })
  const text = await response.text()
  const json = response.headers.get('content-type')?.includes('json') === true
  return {
    status: response.status,
    body: json && text ? (JSON.parse(text) as Answer['body']) : { text },
    headers: response.headers,
  }
}

export type Mail = {
  to: string
  template: string
  subject: string
  links: string[]
  handOvers: number
  notificationId: string
}

export const mailsTo = async (instance: Instance, to: string): Promise<Mail[]> =>
  (await call(instance, 'GET', `/dev/mailbox/messages?limit=100&to=${encodeURIComponent(to)}`)).body.data as Mail[]

export const verificationToken = async (instance: Instance, email: string): Promise<string> => {
  const mail = await until(`the verification mail of ${email}`, async () =>
    (await mailsTo(instance, email)).find(({ template }) => template === 'verify-email'),
  )
  return new URL(mail.links[0] ?? '').searchParams.get('token') ?? ''
}

export type Person = {
  email: string
  password: string
  userId: string
  sessionId: string
  accessToken: string
  refreshToken: string
}

export const signIn = async (instance: Instance, email: string, password: string): Promise<Person> => {
  const { status, body } = await call(instance, 'POST', '/auth/login', { body: { email, password } })
  if (status !== 200) throw new Error(`login answered ${status}: ${JSON.stringify(body)}`)
  const { accessToken, refreshToken, sessionId, user } = body as Record<string, string> & { user: { id: string } }
  return {
    email,
    password,
    userId: user.id,
    sessionId: sessionId ?? '',
    accessToken: accessToken ?? '',
    refreshToken: refreshToken ?? '',
  }
}

/** Registers somebody, follows the mail's link and signs in: over HTTP alone, as a person does. */
export const newPerson = async (instance: Instance, name = 'person'): Promise<Person> => {
  const email = `${name}.${randomUUID()}@example.com`
  const password = `a fine password ${randomUUID()}`
  const registered = await call(instance, 'POST', '/auth/register', {
    body: { email, password, firstName: 'Pat', lastName: 'Doe' },
  })
  if (registered.status !== 202)
    throw new Error(`register answered ${registered.status}: ${JSON.stringify(registered.body)}`)
  const token = await verificationToken(instance, email)
  const verified = await call(instance, 'POST', '/auth/verify-email', { body: { token } })
  if (verified.status !== 200) throw new Error(`verify answered ${verified.status}: ${JSON.stringify(verified.body)}`)
  return signIn(instance, email, password)
}

/** An administrator, made on the command line. */
export const newAdministrator = async (instance: Instance): Promise<Person> => {
  const email = `admin.${randomUUID()}@example.com`
  const password = `an administrator's ${randomUUID()}`
  const made = await instance.command(['admin', 'create', email, '--password-stdin'], `${password}\n`)
  if (made.code !== 0) throw new Error(made.stderr)
  return signIn(instance, email, password)
}

export const order = (amount = '100.00', source = 'tok_ok') => ({
  amount,
  currency: 'EUR',
  method: 'credit_card',
  source,
})

/** A payment of somebody's, created; pending. */
export const newPayment = async (
  instance: Instance,
  person: Person,
  amount?: string,
  source?: string,
): Promise<string> => {
  const created = await call(instance, 'POST', '/payments/create', {
    token: person.accessToken,
    key: randomUUID(),
    body: order(amount, source),
  })
  if (created.status !== 201) throw new Error(`create answered ${created.status}: ${JSON.stringify(created.body)}`)
  return created.body.transactionId as string
}

export const processPayment = (
  instance: Instance,
  person: Person,
  id: string,
  key: string = randomUUID(),
): Promise<Answer> => call(instance, 'POST', `/payments/${id}/process`, { token: person.accessToken, key, body: {} })
