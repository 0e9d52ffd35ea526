import { mailRequested } from '@ashlar/auth/contract'
import { systemClock } from '@ashlar/kernel'
import { type Bus, createPostgresBus } from '@ashlar/platform/bus'
import { type NewEvent, toEnvelope } from '@ashlar/platform/events'
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
      request: Partial<z.output<typeof mailRequested.data>> & { email: string; token?: string },
    ): NewEvent => {
      const { token = 'the-token', ...more } = request
      const sealId = publisher.newId()
      const userId = request.userId === undefined ? publisher.newId() : request.userId
      const place = { table: 'mail.requested', column: 'sealed', row: sealId }
      return mailRequested.of({
        subject: userId ?? sealId,
        data: {
          template: 'verify-email',
          firstName: 'Ada',
          expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
          sealed: publisher.keys.seal('mail-request', JSON.stringify({ token }), place).toString('base64'),
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
