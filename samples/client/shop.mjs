// A customer of a shop, start to end, with nothing but fetch. See README.md beside this file.
import { randomUUID } from 'node:crypto'

const base = process.argv[2] ?? 'http://localhost:3000'

/** An answer that is no success becomes this error; `code` is one of docs/generated/errors.md. */
class Refused extends Error {
  constructor(problem, status) {
    super(`${status} ${problem.code}: ${problem.detail ?? problem.title}`)
    this.code = problem.code
    this.status = status
  }
}

/** One session: keeps its tokens, and refreshes them once, however many calls find them stale together. */
class Session {
  #tokens
  #refreshing

  constructor(tokens) {
    this.#tokens = tokens
  }

  async call(method, path, { body, key } = {}) {
    const send = () => request(method, path, { body, key, token: this.#tokens.accessToken })
    try {
      return await send()
    } catch (error) {
      if (error.code !== 'access_token_invalid' && error.code !== 'access_token_stale') throw error
      await this.refresh()
      return send()
    }
  }

  refresh() {
    this.#refreshing ??= request('POST', '/auth/refresh', { body: { refreshToken: this.#tokens.refreshToken } })
      .then((tokens) => {
        this.#tokens = tokens
      })
      .finally(() => {
        this.#refreshing = undefined
      })
    return this.#refreshing
  }
}

/** Waits as long as the server asks for, and asks again: safe for reads, and for writes that carry a key. */
async function request(method, path, { body, key, token } = {}, tries = 5) {
  const response = await fetch(`${base}${path}`, {
    method,
    headers: {
      ...(body !== undefined && { 'content-type': 'application/json' }),
      ...(token && { authorization: `Bearer ${token}` }),
      ...(key && { 'idempotency-key': key }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const answer = response.status === 204 ? undefined : await response.json()
  if (response.ok) return answer
  const wait = Number(response.headers.get('retry-after'))
  const repeatable = method === 'GET' || key !== undefined
  if (tries > 1 && wait > 0 && repeatable && (response.status === 429 || response.status === 503)) {
    await new Promise((resolve) => setTimeout(resolve, wait * 1000))
    return request(method, path, { body, key, token }, tries - 1)
  }
  throw new Refused(answer, response.status)
}

/** The link of the newest mail of a template; the mail is sent after the answer, so it is waited for. */
async function linkInMail(to, template) {
  for (let tries = 0; tries < 100; tries++) {
    const { data } = await request('GET', `/dev/mailbox/messages?to=${encodeURIComponent(to)}`)
    const mail = data.find((message) => message.template === template)
    if (mail) return new URL(mail.links[0])
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`no ${template} mail for ${to}`)
}

const email = `customer.${randomUUID()}@example.com`
const password = `a long enough passphrase ${randomUUID()}`

await request('POST', '/auth/register', { body: { email, password, firstName: 'Casey' } })
const link = await linkInMail(email, 'verify-email')
await request('POST', '/auth/verify-email', { body: { token: link.searchParams.get('token') } })
console.log('registered and verified')

const signedIn = await request('POST', '/auth/login', { body: { email, password } })
const session = new Session(signedIn)
console.log(`signed in as ${signedIn.user.firstName}`)

const order = { amount: '49.90', currency: 'EUR', method: 'credit_card', source: 'tok_ok', description: 'Order 1' }
const key = `order-1-${randomUUID()}`
const payment = await session.call('POST', '/payments/create', { body: order, key })
const again = await session.call('POST', '/payments/create', { body: order, key })
if (again.transactionId !== payment.transactionId) throw new Error('the same key made a second payment')
const path = `/payments/${payment.transactionId}`

await session.call('POST', `${path}/process`, { body: {}, key: `${key}-pay` })
let paid = await session.call('GET', path)
while (paid.status === 'processing') {
  await new Promise((resolve) => setTimeout(resolve, 500))
  paid = await session.call('GET', path)
}
console.log(`paid ${paid.amount} ${paid.currency}: ${paid.status}`)

// Two calls at once with a token that is over: one refresh serves both.
await Promise.all([session.refresh(), session.refresh()])
const { data } = await session.call('GET', '/payments?status=completed')
console.log(`${data.length} completed payment`)

const timeline = await session.call('GET', `/audit/timeline/user/${signedIn.user.id}`)
console.log(`the trail knows ${timeline.data.length > 0 ? 'my story' : 'nothing of me yet'}`)

await session.call('POST', '/auth/logout')
const refusal = await request('GET', '/auth/profile', { token: signedIn.accessToken }).catch((error) => error)
if (refusal.status !== 401) throw new Error('a session that was ended still works')
console.log('signed out')
