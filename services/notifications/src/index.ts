import { type Bus, consume } from '@ashlar/platform/bus'
import { createHttpServer } from '@ashlar/platform/http'
import { pruneInbox } from '@ashlar/platform/outbox'
import { createUnitOfWork, type MigrationSet, openDatabase } from '@ashlar/platform/postgres'
import type { Runtime } from '@ashlar/platform/runtime'
import { notificationsSubscriptions } from './api/events.ts'
import { notifyUser } from './application/commands/notify-user.ts'
import { pruneContents } from './application/commands/prune-contents.ts'
import { queueMail } from './application/commands/queue-mail.ts'
import { claimDue, sendClaimed } from './application/commands/send-claimed.ts'
import { sendRequestedMail } from './application/commands/send-requested-mail.ts'
import { settleLostClaims } from './application/commands/settle-lost-claims.ts'
import { createInFlight } from './application/in-flight.ts'
import type { Mailer } from './application/ports.ts'
import { listMailbox } from './application/queries/list-mailbox.ts'
import { SendLoop } from './application/send-loop.ts'
import { Ticker } from './application/ticker.ts'
import { notificationsErrors, notificationsRoutes } from './contract.ts'
import { BUILT_IN_TEMPLATES } from './domain/templates/built-in.ts'
import { createContentSeal } from './infrastructure/content-seal.ts'
import { createRenderer } from './infrastructure/handlebars/renderer.ts'
import { createMailboxMailer, createMailboxSeal } from './infrastructure/mailers/mailbox.ts'
import { openMailer, rememberCheck, senderOf } from './infrastructure/mailers/open.ts'
import { createContactRepository, createContentRepository } from './infrastructure/postgres/contents.ts'
import { createMailboxReader, createMailboxRepository } from './infrastructure/postgres/mailbox.ts'
import { createNotificationRepository } from './infrastructure/postgres/notifications.ts'
import type { Db, NotificationsDatabase } from './infrastructure/postgres/schema.ts'
import type { NotificationsSettings } from './settings.ts'

export type { Mailer } from './application/ports.ts'
export type { MailboxMessage } from './application/queries/list-mailbox.ts'
export { type NotificationsSettings, notificationsSettings } from './settings.ts'

export const notificationsMigrations: MigrationSet = {
  service: 'notifications',
  folder: new URL('../migrations/', import.meta.url),
}

export type NotificationsOptions = {
  runtime: Runtime
  settings: NotificationsSettings
  databaseUrl: string
  bus: Bus
  /** Where links in mails lead; from configuration, never from a request. */
  publicUrl: string
  /** Instead of the one that `settings.mailUrl` names. Closed together with the service. */
  mailer?: Mailer
  /**
   * Whether the process of that instance id may still be handing messages over. By default only this one is, which is
   * right where one process owns the database; where several do, answer true for those not known dead.
   */
  ownerAlive?: (instanceId: string) => boolean
}

export type Notifications = Awaited<ReturnType<typeof createNotifications>>

const HOUR_MS = 3_600_000

/** Mails: at most one per trigger, recipient and template, handed over once, and never silently repeated. */
export const createNotifications = async (options: NotificationsOptions) => {
  const { runtime, settings, bus, publicUrl } = options
  const { ownerAlive = (owner) => owner === runtime.instanceId } = options
  const log = runtime.logger('notifications')
  const { from, messageIdDomain } = senderOf(settings.mailFrom)

  const database = openDatabase<NotificationsDatabase>({
    url: options.databaseUrl,
    applicationName: 'ashlar-notifications',
    runtime,
    service: 'notifications',
  })
  const unitOfWorkThat = (afterCommit?: () => void) =>
    createUnitOfWork({
      database,
      runtime,
      service: 'notifications',
      repositories: (db: Db) => ({
        notifications: createNotificationRepository(db),
        contents: createContentRepository(db),
        contacts: createContactRepository(db),
        mailbox: createMailboxRepository(db),
      }),
      ...(afterCommit && { afterCommit }),
    })
  // The senders' own commits must not wake them: each look for work is one.
  const unitOfWork = unitOfWorkThat()
  const wakeSenders = () => {
    for (const loop of loops) loop.wake()
  }

  const notifications = createNotificationRepository(database.db)
  const seal = createContentSeal(runtime.keys)
  const mailboxReader = createMailboxReader(database.db)
  const mailboxSeal = createMailboxSeal(runtime.keys)
  const ping = () => database.ping()
  const mailer =
    options.mailer ??
    openMailer(settings, runtime.environment, () =>
      createMailboxMailer({
        unitOfWork,
        mailbox: mailboxReader,
        seal: mailboxSeal,
        hashAddress: seal.hashAddress,
        newId: runtime.newId,
        ping,
      }),
    )

  const queue = queueMail({
    templates: BUILT_IN_TEMPLATES,
    renderer: createRenderer(
      { maxBytes: settings.renderedBytes, maxMs: settings.renderTimeoutMs, cachedTemplates: 200 },
      BUILT_IN_TEMPLATES,
    ),
    seal,
    clock: runtime.clock,
    newId: runtime.newId,
    context: runtime.context,
    product: settings.productName,
    messageIdDomain,
    retrySeconds: settings.retryHours * 3_600,
  })

  const mails = runtime
    .metrics('notifications')
    .counter('mails_total', 'Messages by template and what became of a try', ['template', 'status'])
  const inFlight = createInFlight()
  const sendDeps = {
    runtime,
    unitOfWork,
    notifications,
    contents: createContentRepository(database.db),
    seal,
    mailer,
    inFlight,
    from,
    leaseSeconds: settings.sendTimeoutMs / 1_000 + 30,
    random: Math.random,
    onSettled: (status: string, claim: { template: string }) => mails.inc({ template: claim.template, status }),
  }
  const claim = claimDue(sendDeps)
  const send = sendClaimed(sendDeps)
  const loops = ([true, false] as const).map(
    (urgent) =>
      new SendLoop({
        concurrency: urgent ? settings.urgentSenders : settings.senders,
        pollMs: settings.pollMs,
        claim: (limit) => claim(urgent, limit),
        send,
        inFlight,
        drainMs: 20_000,
        onError: (error) => log.warn({ err: error }, 'sending was interrupted, it goes on'),
      }),
  )

  const verbs = {
    /** Settles what processes that are gone left behind. Runs by itself. */
    settleLostClaims: settleLostClaims({
      runtime,
      unitOfWork,
      notifications,
      mailer,
      inFlight,
      ownerAlive,
      quietMs: 500,
    }),
    /** Drops texts that were kept long enough. Runs by itself. */
    pruneContents: pruneContents({ runtime, unitOfWork, days: settings.bodyRetentionDays }),
    mailbox: {
      list: listMailbox({ mailbox: mailboxReader, hashAddress: seal.hashAddress, open: mailboxSeal.open }),
    },
  }

  const settling = new Ticker({
    everyMs: settings.settleMs,
    work: async () => {
      const report = await verbs.settleLostClaims()
      if (report.queued > 0) wakeSenders()
      if (report.lost > 0) log.warn({ count: report.lost }, 'messages whose sender is gone are unknown now')
    },
    onError: (error) => log.warn({ err: error }, 'settling of lost claims was interrupted, it goes on'),
  })
  const pruning = new Ticker({
    everyMs: HOUR_MS,
    work: async () => {
      await verbs.pruneContents()
      await pruneInbox(database.db)
    },
    onError: (error) => log.warn({ err: error }, 'dropping of old texts was interrupted, it goes on'),
  })

  const http = await createHttpServer({
    service: 'notifications',
    runtime,
    routes: notificationsRoutes,
    errors: notificationsErrors,
    handlers: {},
    // A mail server that is away delays mails and nothing else, so it shows here and does not take the service out.
    health: { postgres: ping, bus: () => bus.ping(), mail: rememberCheck(() => mailer.verify(), 15_000) },
  })

  const subscriptions: { stop(): Promise<void> }[] = []
  return {
    ...verbs,
    http,
    /** Settles what an earlier process left, then begins to listen and to send. */
    start: async (): Promise<void> => {
      mailer.verify().then(
        () => log.info('the mailer is ready'),
        (error: { code?: string }) => log.warn({ code: error.code }, 'the mailer is not ready; messages wait'),
      )
      await settling.start()
      void pruning.start()
      for (const loop of loops) loop.start()
      const { links, events } = notificationsSubscriptions({
        sendRequestedMail: sendRequestedMail({ queue, keys: runtime.keys, publicUrl }),
        notifyUser: notifyUser({ queue }),
        publicUrl,
      })
      for (const subscription of [links, events]) {
        subscriptions.push(
          await consume({
            bus,
            unitOfWork: unitOfWorkThat(wakeSenders),
            runtime,
            service: 'notifications',
            ...subscription,
          }),
        )
      }
    },
    /** Takes no more events and no more messages; what is being handed over is finished and recorded. */
    stop: async (): Promise<void> => {
      await Promise.all(subscriptions.splice(0).map((subscription) => subscription.stop()))
      await Promise.all([...loops.map((loop) => loop.stop()), settling.stop(), pruning.stop()])
    },
    close: async (): Promise<void> => {
      await http.close()
      await mailer.close()
      await database.close()
    },
  }
}
