import { createBroadcast } from '@ashlar/platform/broadcast'
import type { Bus } from '@ashlar/platform/bus'
import type { Envelope } from '@ashlar/platform/events'
import {
  type FakeClock,
  type TestDatabase,
  type TestRuntime,
  testDatabase,
  testRuntime,
} from '@ashlar/platform/testing'
import { z } from 'zod'
import { type Auth, authMigrations, authSettings, createAuth } from '../src/index.ts'

export const PASSWORD = 'correct horse battery'

// biome-ignore lint/suspicious/noExplicitAny: what comes over the wire is looked at by tests, field by field
type Json = any
type Answer = { status: number; headers: Headers; body: Json }

/** An auth service on a database of its own, spoken to over HTTP, with everything that it published. */
export type TestAuth = {
  auth: Auth
  runtime: TestRuntime
  clock: FakeClock
  database: TestDatabase
  published: Envelope[]
  /** Published events of a type, by its short name. */
  events(type: string): Promise<Envelope<Json>[]>
  call(
    method: string,
    path: string,
    options?: { body?: unknown; token?: string; headers?: Record<string, string> },
  ): Promise<Answer>
  post(path: string, body?: unknown, token?: string): Promise<Answer>
  get(path: string, token?: string): Promise<Answer>
  /** Tokens of the links that were mailed to an address with this template, oldest first. */
  mailedTokens(email: string, template?: string): Promise<string[]>
  /** Registers and verifies. */
  signUp(email: string, password?: string): Promise<{ id: string }>
  signIn(email: string, password?: string): Promise<{ accessToken: string; refreshToken: string; sessionId: string }>
  sql<R = Record<string, Json>>(text: string, values?: readonly unknown[]): Promise<R[]>
  close(): Promise<void>
}

export const settingsWith = (changes: Record<string, unknown> = {}) => {
  const schemas = Object.fromEntries(Object.entries(authSettings.settings).map(([name, { schema }]) => [name, schema]))
  return z.object(schemas).parse(changes) as Parameters<typeof createAuth>[0]['settings']
}

export const startAuth = async (
  changes: Record<string, unknown> = {},
  shared?: { database?: TestDatabase; clock?: FakeClock; limitsEnabled?: boolean },
): Promise<TestAuth> => {
  const database = shared?.database ?? (await testDatabase('auth', authMigrations))
  const runtime = testRuntime(shared?.clock ? { clock: shared.clock } : {})
  const published: Envelope[] = []
  const bus = {
    publish: async (envelopes: readonly Envelope[]) => void published.push(...envelopes),
  } as Partial<Bus> as Bus
  const broadcast = createBroadcast({ onError: (error) => runtime.logger('auth').error({ err: error }, 'broadcast') })
  const auth = await createAuth({
    runtime,
    settings: settingsWith(changes),
    databaseUrl: database.url,
    bus,
    broadcast,
    publicUrl: 'http://localhost:3000',
    ...(shared?.limitsEnabled === undefined ? {} : { limitsEnabled: shared.limitsEnabled }),
  })
  await auth.start()
  const port = await auth.http.listen('127.0.0.1', 0)

  const call: TestAuth['call'] = async (method, path, { body, token, headers } = {}) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: {
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) }
  }
  const post: TestAuth['post'] = (path, body, token) => call('POST', path, { body, token })

  // Nothing asked for and an empty outbox mean that whatever was committed has been worked on and published.
  const settled = async (): Promise<void> => {
    for (;;) {
      const [row] = await database.sql<{ count: bigint }>(
        'SELECT (SELECT count(*) FROM outbox) + (SELECT count(*) FROM address_requests) AS count',
      )
      if (row?.count === 0n) return
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  const events: TestAuth['events'] = async (type) => {
    await settled()
    return published.filter((event) => event.type === `${type}.v1`)
  }
  const mailedTokens: TestAuth['mailedTokens'] = async (email, template = 'verify-email') => {
    const mails = (await events('mail.requested')).filter(
      ({ data }) => data.email === email && data.template === template,
    )
    return mails.map(({ data }) => {
      const bound = { table: 'mail.requested', column: 'sealed', row: data.sealId }
      return JSON.parse(runtime.keys.open('mail-request', Buffer.from(data.sealed, 'base64'), bound).toString()).token
    })
  }

  return {
    auth,
    runtime,
    clock: runtime.clock,
    database,
    published,
    events,
    call,
    post,
    get: (path, token) => call('GET', path, { token }),
    mailedTokens,
    signUp: async (email, password = PASSWORD) => {
      await post('/auth/register', { email, password })
      const verified = await post('/auth/verify-email', { token: (await mailedTokens(email)).at(-1) })
      if (verified.status !== 200) throw new Error(`sign-up failed: ${JSON.stringify(verified.body)}`)
      return verified.body.user
    },
    signIn: async (email, password = PASSWORD) => {
      const answer = await post('/auth/login', { email, password })
      if (answer.status !== 200) throw new Error(`sign-in failed: ${JSON.stringify(answer.body)}`)
      return answer.body
    },
    sql: (text, values) => database.sql(text, values),
    close: async () => {
      await auth.stop()
      await auth.close()
      await broadcast.close()
      if (!shared?.database) await database.close()
    },
  }
}
