import { systemClock } from '@ashlar/kernel'
import { openDatabase } from '@ashlar/platform/postgres'
import { testDatabase, testRuntime } from '@ashlar/platform/testing'
import { mailerConformance } from '../../../test/mailer.conformance.ts'
import { listMailbox } from '../../application/queries/list-mailbox.ts'
import { notificationsMigrations } from '../../index.ts'
import { createContentSeal } from '../content-seal.ts'
import { createMailbox } from '../postgres/mailbox.ts'
import type { NotificationsDatabase } from '../postgres/schema.ts'
import { createMailboxMailer, createMailboxSeal } from './mailbox.ts'

mailerConformance('mailbox', async () => {
  const testing = await testDatabase('notifications', notificationsMigrations)
  const runtime = testRuntime({ clock: systemClock })
  const database = openDatabase<NotificationsDatabase>({
    url: testing.url,
    applicationName: 'test',
    runtime,
    service: 'notifications',
  })
  const { hashAddress } = createContentSeal(runtime.keys)
  const mailbox = createMailbox(database.db)
  const seal = createMailboxSeal(runtime.keys)
  const mailer = createMailboxMailer({
    mailbox,
    seal,
    hashAddress,
    newId: runtime.newId,
    ping: () => database.ping(),
  })
  const list = listMailbox({ mailbox, hashAddress, open: seal.open })

  return {
    mailer: { ...mailer, send: (mail) => runtime.as(() => mailer.send(mail)) },
    received: async (messageId) => {
      const { data } = await list({ limit: 500 })
      return data
        .filter(({ headers }) => headers['message-id'] === messageId)
        .flatMap((mail) => Array.from({ length: mail.handOvers }, () => ({ ...mail, envelopeTo: mail.to })))
    },
    total: async () => (await list({ limit: 500 })).data.reduce((sum, { handOvers }) => sum + handOvers, 0),
    outage: () => testing.outage(),
    close: async () => {
      await mailer.close()
      await database.close()
      await testing.close()
    },
  }
})
