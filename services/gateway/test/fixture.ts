import net from 'node:net'
import { err, ok } from '@ashlar/kernel'
import {
  type Authenticator,
  type Caller,
  createHttpServer,
  defineErrors,
  defineRoute,
  type HttpServer,
} from '@ashlar/platform/http'
import { DependencyUnavailable } from '@ashlar/platform/postgres'
import type { Runtime } from '@ashlar/platform/runtime'
import { type LogLine, testRuntime } from '@ashlar/platform/testing'
import { z } from 'zod'
import {
  createGateway,
  type DevTools,
  type Gateway,
  type GatewayDeps,
  type GatewaySettings,
  gatewaySettings,
} from '../src/index.ts'
import { LONG, oddHandlers, oddRoutes } from './fake-notifications.ts'

export const caller: Caller = {
  userId: '0193f6f0-0000-7000-8000-000000000001',
  sessionId: '0193f6f0-0000-7000-8000-000000000002',
  email: 'ada@example.com',
  roles: ['user'],
  permissions: [],
  authTime: 0,
  amr: ['pwd'],
  claims: {},
}

/** Knows the tokens `good` and `stale`; cannot tell about `unsure` and breaks on `crash`. */
export const authenticator: Authenticator = {
  authenticate: async (token) => {
    if (token === 'unsure') throw new DependencyUnavailable('auth')
    if (token === 'crash') throw new Error('secret cause')
    return token === 'good' ? ok(caller) : err(token === 'stale' ? 'access_token_stale' : 'access_token_invalid')
  },
}

/** What a service saw of a request. */
export type Seen = {
  method: string
  url: string
  headers: Record<string, unknown>
  rawHeaders: string[]
  userId?: string
  ip: string
}

export type FakeServices = {
  http: Record<'auth' | 'payments' | 'notifications' | 'audit', HttpServer>
  seen: Seen[]
  /** Tokens that the mail-link route was called with. */
  links: { path: string; token: string; newPassword?: string }[]
  /** Holds `/payments/slow` back until it resolves. */
  slow: { release(): void; waiting: Promise<void> }
  down: Set<string>
  /** How many streams of services were given up or read to their end. */
  streams: { closed: number }
  /** The addresses of those who listed payments, as the service was told. */
  addresses: string[]
}

const errors = defineErrors({
  token_invalid: { status: 400, title: 'The link is not valid' },
  password_refused: { status: 422, title: 'The password was refused' },
})
const message = z.object({ message: z.string() }).meta({ id: 'Message' })
const otherMessage = z.object({ text: z.string() }).meta({ id: 'Message' })

export const fakeServices = async (runtime: Runtime): Promise<FakeServices> => {
  const seen: Seen[] = []
  const links: FakeServices['links'] = []
  const down = new Set<string>()
  const addresses: string[] = []
  const entered = Promise.withResolvers<void>()
  const held = Promise.withResolvers<void>()

  const make = async (service: 'auth' | 'payments' | 'notifications' | 'audit', options: object) =>
    createHttpServer({
      service,
      runtime,
      errors,
      authenticator,
      health: {
        database: async () => {
          if (down.has(service)) throw new Error('no route to host')
        },
      },
      ready: async () => (down.has(service) ? 'the database is away' : undefined),
      extend: (fastify) => {
        fastify.addHook('onRequest', async (request) => {
          const { method = '', url = '', headers, rawHeaders } = request.raw
          seen.push({ method, url, headers: { ...headers }, rawHeaders: [...rawHeaders], ip: request.ip })
        })
      },
      ...(options as { routes: never; handlers: never }),
    })

  const user = defineRoute({
    method: 'GET',
    path: '/auth/validate',
    summary: 'Who am I',
    access: 'user',
    responses: { 200: z.object({ userId: z.string() }) },
  })
  const login = defineRoute({
    method: 'POST',
    path: '/auth/login',
    summary: 'A long answer with a token',
    access: 'public',
    responses: { 200: z.object({ userId: z.string() }) },
  })
  const verify = defineRoute({
    method: 'POST',
    path: '/auth/verify-email',
    summary: 'Verify',
    access: 'public',
    body: z.object({ token: z.string() }),
    responses: { 200: message },
    errors: ['token_invalid'],
  })
  const reset = defineRoute({
    method: 'POST',
    path: '/auth/password/reset',
    summary: 'Reset',
    access: 'public',
    body: z.object({ token: z.string(), newPassword: z.string() }),
    responses: { 204: null },
    errors: ['token_invalid', 'password_refused'],
  })
  const auth = await make('auth', {
    routes: {
      validate: user,
      login,
      verify,
      reset,
      jwks: defineRoute({
        method: 'GET',
        path: '/.well-known/jwks.json',
        summary: 'Keys',
        access: 'public',
        responses: { 200: message },
      }),
    },
    handlers: {
      login: async () => ok({ status: 200, body: { userId: LONG } }),
      validate: async (input: { caller: Caller }) => ok({ status: 200, body: { userId: input.caller.userId } }),
      verify: async ({ body }: { body: { token: string } }) => {
        links.push({ path: 'verify', token: body.token })
        if (body.token === 'broken') throw new Error('wires crossed')
        return body.token === 'fresh' ? ok({ status: 200, body: { message: 'done' } }) : err('token_invalid')
      },
      reset: async ({ body }: { body: { token: string; newPassword: string } }) => {
        links.push({ path: 'reset', ...body })
        if (body.newPassword.length < 8) {
          return err({
            code: 'password_refused',
            errors: [{ pointer: '/newPassword', code: 'too_short', detail: 'Use at least 8 characters.' }],
          })
        }
        return ok({ status: 204 })
      },
      jwks: async () => ok({ status: 200, body: { message: 'keys' } }),
    },
  })
  const payments = await make('payments', {
    routes: {
      list: defineRoute({
        method: 'GET',
        path: '/payments',
        summary: 'List',
        access: 'public',
        query: z.object({ q: z.string().optional() }),
        responses: { 200: otherMessage },
      }),
      create: defineRoute({
        method: 'POST',
        path: '/payments/create',
        summary: 'Create',
        access: 'public',
        body: z.object({ text: z.string() }),
        responses: { 201: otherMessage },
      }),
      slow: defineRoute({
        method: 'GET',
        path: '/payments/slow',
        summary: 'Slow',
        access: 'public',
        responses: { 200: otherMessage },
      }),
      get: defineRoute({
        method: 'GET',
        path: '/payments/:id',
        summary: 'One',
        access: 'public',
        responses: { 200: otherMessage },
      }),
    },
    handlers: {
      list: async ({ ip }: { ip: string }) => {
        addresses.push(ip)
        return ok({ status: 200, body: { text: 'none' } })
      },
      create: async ({ body }: { body: { text: string } }) => ok({ status: 201, body }),
      slow: async () => {
        entered.resolve()
        await held.promise
        return ok({ status: 200, body: { text: 'late' } })
      },
      get: async ({ params }: { params: { id: string } }) => ok({ status: 200, body: { text: params.id } }),
    },
  })
  const streams = { closed: 0 }
  const closed = (): void => {
    streams.closed += 1
  }
  const notifications = await make('notifications', { routes: oddRoutes, handlers: oddHandlers(closed) })
  return {
    http: { auth, payments, notifications, audit: await make('audit', { routes: {}, handlers: {} }) },
    seen,
    links,
    slow: { release: () => held.resolve(), waiting: entered.promise },
    down,
    streams,
    addresses,
  }
}

/** Every setting at its default, but for those given. */
export const settingsWith = (own: Partial<GatewaySettings> = {}): GatewaySettings =>
  ({
    ...Object.fromEntries(
      Object.entries(gatewaySettings.settings).map(([name, { schema }]) => [name, schema.parse(undefined)]),
    ),
    ...own,
  }) as GatewaySettings

export const devTools: DevTools = {
  mailbox: {
    list: async ({ to, limit }) => ({
      data: ['ada@example.com', 'bob@example.com']
        .filter((address) => to === undefined || to === address)
        .slice(0, limit)
        .map((address) => ({
          id: `mail-${address}`,
          notificationId: 'n1',
          template: 'verify-email',
          to: address,
          from: 'ashlar@example.com',
          subject: '<b>Confirm</b>',
          text: 'Open the link & press the button.',
          html: '<script>alert(1)</script>',
          headers: { 'message-id': '<1@ashlar>' },
          links: ['http://localhost:3000/verify-email?token=fresh', 'javascript:alert(1)'],
          handOvers: 1,
          sentAt: '2026-11-21T12:00:00.000Z',
        })),
    }),
  },
  charges: async ({ transactionId }) => [
    {
      attemptId: 'a1',
      transactionId,
      kind: 'charge',
      amount: '10.00',
      currency: 'EUR',
      outcome: 'succeeded',
      receivedCount: 1,
      at: '2026-11-21T12:00:00.000Z',
    },
  ],
}

export type Rig = FakeServices & {
  gateway: Gateway
  port: number
  url: string
  logs: LogLine[]
  managementPort?: number
  close(): Promise<void>
}

export type RigOptions = {
  settings?: Partial<GatewaySettings>
  environment?: Runtime['environment']
  publicUrl?: string
  logLevel?: string
  tracing?: Runtime['tracing']
  /** In place of the one that knows `good` and `stale`. */
  authenticator?: Authenticator
} & Pick<GatewayDeps, 'report' | 'refuseWrites'>

export const openRig = async (options: RigOptions = {}): Promise<Rig> => {
  const { environment = 'test', logLevel = 'info', tracing } = options
  const runtime = testRuntime({ environment, logLevel, ...(tracing && { tracing }) })
  const services = await fakeServices(runtime as Runtime)
  const { auth, payments, notifications, audit } = services.http
  const gateway = await createGateway({
    runtime: runtime as Runtime,
    settings: settingsWith(options.settings),
    services: {
      auth: { http: auth },
      payments: { http: payments },
      notifications: { http: notifications },
      audit: { http: audit },
    },
    authenticator: options.authenticator ?? authenticator,
    publicUrl: options.publicUrl ?? 'http://localhost:3000',
    dev: devTools,
    report: options.report,
    refuseWrites: options.refuseWrites,
  })
  const { port, managementPort } = await gateway.listen('127.0.0.1', 0)
  return {
    ...services,
    gateway,
    port,
    managementPort,
    url: `http://127.0.0.1:${port}`,
    logs: runtime.logs,
    close: async () => {
      services.slow.release()
      await gateway.close()
      await Promise.all(Object.values(services.http).map((http) => http.close()))
    },
  }
}

export type RawAnswer = { status: number; head: string; body: string; text: string }

const parse = (text: string): RawAnswer => {
  const [head = '', body = ''] = text.split('\r\n\r\n', 2)
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0), head: head.toLowerCase(), body, text }
}

/** Sends bytes as they are and answers what came until the server closed, or until `quietMs` without a byte. */
export const rawRequest = (port: number, bytes: string, quietMs = 60): Promise<RawAnswer> =>
  new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    let text = ''
    let timer: NodeJS.Timeout | undefined
    const done = () => {
      clearTimeout(timer)
      socket.destroy()
      resolve(parse(text))
    }
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      clearTimeout(timer)
      timer = setTimeout(done, quietMs)
    })
    socket.on('error', done)
    socket.on('close', done)
    socket.on('end', done)
    socket.write(Buffer.from(bytes, 'latin1'))
  })
