import { randomUUID } from 'node:crypto'
import { mailRequested } from '@ashlar/auth/contract'
import { systemClock } from '@ashlar/kernel'
import { type Bus, createPostgresBus } from '@ashlar/platform/bus'
import { type NewEvent, toEnvelope } from '@ashlar/platform/events'
import type { Authenticator } from '@ashlar/platform/http'
import {
  type TestDatabase,
  type TestRuntime,
  testBusDatabase,
  testDatabase,
  testRuntime,
} from '@ashlar/platform/testing'
import { z } from 'zod'
import {
  createNotifications,
  type Notifications,
  type NotificationsOptions,
  type NotificationsSettings,
  notificationsMigrations,
  notificationsSettings,
} from '../src/index.ts'

export const PUBLIC_URL = 'http://ashlar.test'

/** All defaults, quick enough for a test. */
export const settingsWith = (own: Partial<NotificationsSettings> = {}): NotificationsSettings => ({
  ...(z
    .object(
      Object.fromEntries(Object.entries(notificationsSettings.settings).map(([key, { schema }]) => [key, schema])),
    )
    .parse({}) as NotificationsSettings),
  mailFrom: 'Shop <shop@ashlar.test>',
  pollMs: 50,
  settleMs: 50,
  ...own,
})

const PERMISSIONS: Readonly<Record<string, string[]>> = {
  reader: ['notifications:read'],
  operator: ['notifications:send', 'notifications:read', 'notifications:suppress', 'templates:write'],
}

/** The token is a role, or `user.<id>`. */
const authenticator: Authenticator = {
  authenticate: async (token) => ({
    ok: true,
    value: {
      userId: token.startsWith('user.') ? token.slice(5) : '00000000-0000-7000-8000-0000000000ee',
      sessionId: randomUUID(),
      email: 'caller@x.test',
      roles: [],
      permissions: PERMISSIONS[token] ?? [],
      authTime: 0,
      amr: ['pwd'],
      claims: {},
    },
  }),
}

export type Reply = { status: number; headers: Headers; body: Record<string, unknown> }
export type Ask = { as?: string; key?: string | null; json?: unknown; headers?: Record<string, string> }

/** Asks a service over a socket of its own, as an operator unless told otherwise; a POST brings a fresh key. */
export const askerOf = async (service: Notifications) => {
  const port = await service.http.listen('127.0.0.1', 0)
  return async (method: string, path: string, { as = 'operator', key, json, headers }: Ask = {}): Promise<Reply> => {
    const chosen = key === undefined && method === 'POST' ? randomUUID() : key
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${as}`,
        ...(json === undefined ? {} : { 'content-type': 'application/json' }),
        ...(chosen ? { 'idempotency-key': chosen } : {}),
        ...headers,
      },
      ...(json === undefined ? {} : { body: JSON.stringify(json) }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) }
  }
}
export type Asker = Awaited<ReturnType<typeof askerOf>>

export type Started = { runtime: TestRuntime<typeof systemClock>; bus: Bus; service: Notifications }

/** The databases of one test file, and services on them, each as a process of its own would be. */
export const openStage = async () => {
  const database: TestDatabase = await testDatabase('notifications', notificationsMigrations)
  const busDatabase = await testBusDatabase()
  const open: Started[] = []

  const newRuntime = () => testRuntime({ clock: systemClock })
  const busOf = (runtime: TestRuntime<typeof systemClock>, role: 'auth' | 'notifications'): Bus =>
    createPostgresBus({
      url: busDatabase.urlAs(role),
      runtime,
      retry: { tries: 6, delaysMs: [50, 100, 200, 400, 800] },
    })
  const publisher = newRuntime()
  const publisherBus = busOf(publisher, 'auth')

  return {
    database,
    /** A service in its own runtime; `start: false` leaves it standing. */
    service: async (
      settings: Partial<NotificationsSettings> = {},
      options: Partial<Pick<NotificationsOptions, 'mailer' | 'ownerAlive'>> & { start?: boolean } = {},
    ): Promise<Started> => {
      const { start = true, ...more } = options
      const runtime = newRuntime()
      const bus = busOf(runtime, 'notifications')
      const service = await createNotifications({
        runtime,
        settings: settingsWith(settings),
        databaseUrl: database.url,
        bus,
        publicUrl: PUBLIC_URL,
        authenticator,
        ...more,
      })
      const started = { runtime, bus, service }
      open.push(started)
      if (start) await service.start()
      return started
    },
    /** Publishes as the owners of the events do; answers the events' ids. The same event may be given again by its envelope. */
    publish: async (...events: NewEvent[]): Promise<string[]> => {
      const envelopes = events.map((event) => publisher.as(() => toEnvelope(publisher, 'auth', event)))
      await publisherBus.publish(envelopes)
      return envelopes.map(({ id }) => id)
    },
    newId: publisher.newId,
    /** A mail request as auth makes it: the token only sealed. */
    mailRequest: (
      request: Partial<z.output<typeof mailRequested.data>> & { email: string; token?: string; code?: string },
    ): NewEvent => {
      const { token = 'the-token', code, ...more } = request
      const sealId = publisher.newId()
      const userId = request.userId === undefined ? publisher.newId() : request.userId
      const place = { table: 'mail.requested', column: 'sealed', row: sealId }
      return mailRequested.of({
        subject: userId ?? sealId,
        data: {
          template: 'verify-email',
          firstName: 'Ada',
          expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
          sealed: publisher.keys
            .seal('mail-request', JSON.stringify(code === undefined ? { token } : { code }), place)
            .toString('base64'),
          sealId,
          ...more,
          userId,
        },
      })
    },
    stopAll: async (): Promise<void> => {
      for (const { service, bus, runtime } of open.splice(0)) {
        runtime.faults.clear()
        await service.stop()
        await service.close()
        await bus.close()
      }
    },
    close: async (): Promise<void> => {
      await publisherBus.close()
      await database.close()
      await busDatabase.close()
    },
  }
}

export type Stage = Awaited<ReturnType<typeof openStage>>
