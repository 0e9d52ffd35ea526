import { randomUUID } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { systemClock } from '@ashlar/kernel'
import { type Bus, createPostgresBus } from '@ashlar/platform/bus'
import type { Authenticator } from '@ashlar/platform/http'
import { type TestDatabase, testBusDatabase, testDatabase, testRuntime } from '@ashlar/platform/testing'
import {
  createPayments,
  createSandboxProvider,
  type Payments,
  paymentsMigrations,
  paymentsSettings,
  type SandboxProvider,
  sandboxMigrations,
} from '../src/index.ts'

export type Reply = { status: number; headers: Headers; text: string; body: Record<string, unknown> }
export type Ask = {
  as?: string
  key?: string | null
  json?: unknown
  raw?: string
  headers?: Record<string, string>
}

export const WEBHOOK_SECRET = 'whsec_of_the_served_tests'

/** The service with everything real around it but the sign-in, listening on a port. */
export type Served = {
  url: string
  bus: Bus
  sandbox: SandboxProvider
  payments: Payments
  database: TestDatabase
  anna: string
  /** A request of Anna's, or `as` somebody else's; a POST brings a fresh key unless told otherwise. */
  ask: (method: string, path: string, options?: Ask) => Promise<Reply>
  close: () => Promise<void>
}

const anna = '00000000-0000-7000-8000-0000000000aa'
const permissionsOf: Readonly<Record<string, string[]>> = {
  admin: ['payments:refund', 'payments:read:any'],
  operator: ['payments:write:any'],
  canceler: ['payments:cancel:any'],
}

/** The token is the person's name; the administrator's is `admin`. */
const authenticator: Authenticator = {
  authenticate: async (token) => {
    if (token === 'bad') return { ok: false, error: 'access_token_invalid' }
    const userId =
      token === 'anna' ? anna : `00000000-0000-7000-8000-${Buffer.from(token).toString('hex').padEnd(12, '0')}`
    return {
      ok: true,
      value: {
        userId: userId.slice(0, 36),
        sessionId: randomUUID(),
        email: `${token}@example.com`,
        roles: [],
        permissions: permissionsOf[token] ?? [],
        authTime: 0,
        amr: ['pwd'],
        claims: {},
      },
    }
  },
}

type ServeOptions = {
  /** How long a call to the provider may take (3,000). */
  callLimitMs?: number
  /** Whether the sandbox sends webhooks by itself (true). */
  sends?: boolean
}

export const serve = async ({ callLimitMs = 3_000, sends = true }: ServeOptions = {}): Promise<Served> => {
  const databases = await Promise.all([
    testDatabase('payments', paymentsMigrations),
    testDatabase('sandbox', sandboxMigrations),
    testBusDatabase(),
  ])
  const [paymentsDatabase, sandboxDatabase, busDatabase] = databases
  const runtime = testRuntime({ clock: systemClock })
  const bus = createPostgresBus({ url: busDatabase.urlAs('payments'), runtime })
  const chosen = await freePort()
  const url = `http://127.0.0.1:${chosen}`
  const sandbox = createSandboxProvider({
    runtime,
    databaseUrl: sandboxDatabase.url,
    ...(sends && {
      webhooks: { url: `${url}/payments/webhooks/sandbox`, secret: WEBHOOK_SECRET, pollMs: 50 },
    }),
  })
  const defaults = Object.entries(paymentsSettings.settings).map(([name, { schema }]) => [
    name,
    schema.parse(undefined),
  ])
  const payments = await createPayments({
    runtime,
    settings: {
      ...Object.fromEntries(defaults),
      providerTimeoutMs: callLimitMs,
      reconcileFirstLookMs: 100,
      reconcileMaxLookMs: 200,
      reconcilePollMs: 50,
    },
    databaseUrl: paymentsDatabase.url,
    bus,
    authenticator,
    provider: sandbox,
    webhookSecrets: { sandbox: WEBHOOK_SECRET },
  })
  await payments.start()
  await payments.http.listen('127.0.0.1', chosen)
  const ask: Served['ask'] = async (method, path, { as = 'anna', key, json, raw, headers } = {}) => {
    const text = raw ?? (json === undefined ? undefined : JSON.stringify(json))
    const idempotencyKey = key === undefined && method === 'POST' ? randomUUID() : key
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${as}`,
        ...(text === undefined ? {} : { 'content-type': 'application/json' }),
        ...(idempotencyKey ? { 'idempotency-key': idempotencyKey } : {}),
        ...headers,
      },
      body: text,
    })
    const answer = await response.text()
    return { status: response.status, headers: response.headers, text: answer, body: answer ? JSON.parse(answer) : {} }
  }
  return {
    url,
    bus,
    sandbox,
    payments,
    database: paymentsDatabase,
    anna,
    ask,
    close: async () => {
      await payments.stop()
      await payments.close()
      await sandbox.close()
      await bus.close()
      for (const database of databases) await database.close()
    },
  }
}

/** One that the system gave away a moment ago: the sandbox must be told where its webhooks go before anybody listens. */
const freePort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
