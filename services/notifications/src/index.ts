import { type Bus, consume } from '@ashlar/platform/bus'
import { createMemoryCache } from '@ashlar/platform/cache'
import { type Authenticator, createHttpServer } from '@ashlar/platform/http'
import { createUnitOfWork, type MigrationSet, openDatabase } from '@ashlar/platform/postgres'
import type { Runtime } from '@ashlar/platform/runtime'
import { notificationsSubscriptions } from './api/events.ts'
import { notificationsHandlers } from './api/http.ts'
import { eraseUser } from './application/commands/erase-user.ts'
import { notifyUser } from './application/commands/notify-user.ts'
import { pruneContents } from './application/commands/prune-contents.ts'
import { queueMail } from './application/commands/queue-mail.ts'
import { resendNotification } from './application/commands/resend-notification.ts'
import { saveTemplate } from './application/commands/save-template.ts'
import { seedTemplates } from './application/commands/seed-templates.ts'
import { claimDue, sendClaimed } from './application/commands/send-claimed.ts'
import { sendMail } from './application/commands/send-mail.ts'
import { sendRequestedMail } from './application/commands/send-requested-mail.ts'
import { settleLostClaims } from './application/commands/settle-lost-claims.ts'
import { suppressAddress, unsuppressAddress } from './application/commands/suppress-address.ts'
import { createInFlight } from './application/in-flight.ts'
import type { Mailer } from './application/ports.ts'
import { countNotifications } from './application/queries/count-notifications.ts'
import { getNotification } from './application/queries/get-notification.ts'
import { listMailbox } from './application/queries/list-mailbox.ts'
import { listNotifications } from './application/queries/list-notifications.ts'
import { listSuppressions } from './application/queries/list-suppressions.ts'
import { getTemplate, listTemplates } from './application/queries/read-templates.ts'
import { SendLoop } from './application/send-loop.ts'
import { notificationsErrors, notificationsRoutes } from './contract.ts'
import { BUILT_IN_TEMPLATES } from './domain/templates/built-in.ts'
import { createContentSeal } from './infrastructure/content-seal.ts'
import { createTemplateChecker } from './infrastructure/handlebars/checker.ts'
import { createLimited } from './infrastructure/handlebars/limits.ts'
import { createRenderer, type ReadyTemplate } from './infrastructure/handlebars/renderer.ts'
import { createHousekeeping } from './infrastructure/housekeeping.ts'
import { createMailMetrics } from './infrastructure/mail-metrics.ts'
import { createMailboxMailer, createMailboxSeal } from './infrastructure/mailers/mailbox.ts'
import { openMailer, rememberCheck, senderOf } from './infrastructure/mailers/open.ts'
import { createMailbox } from './infrastructure/postgres/mailbox.ts'
import { createNotificationRepository } from './infrastructure/postgres/notifications.ts'
import { createNotificationReader } from './infrastructure/postgres/read-notifications.ts'
import { createRepositories } from './infrastructure/postgres/repositories.ts'
import type { NotificationsDatabase } from './infrastructure/postgres/schema.ts'
import { createSuppressionReader } from './infrastructure/postgres/suppressions.ts'
import { createTemplateReader } from './infrastructure/postgres/templates.ts'
import type { NotificationsSettings } from './settings.ts'

export { notificationsHears } from './api/events.ts'
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
  /** Without one, only callers for whom the gateway of this process vouches are let in. */
  authenticator?: Authenticator
  /** Instead of the one that `settings.mailUrl` names. Closed together with the service. */
  mailer?: Mailer
  /**
   * Whether the process of that instance id may still be handing messages over. By default only this one is, which is
   * right where one process owns the database; where several do, answer true for those not known dead.
   */
  ownerAlive?: (instanceId: string) => boolean
}

export type Notifications = Awaited<ReturnType<typeof createNotifications>>

const NOBODY: Authenticator = { authenticate: async () => ({ ok: false, error: 'access_token_invalid' }) }
const TEMPLATE_TTL_MS = 3_600_000

/** Mails: at most one per trigger, recipient and template, handed over once, and never silently repeated. */
export const createNotifications = async (options: NotificationsOptions) => {
  const { runtime, settings, bus, publicUrl, authenticator = NOBODY } = options
  const { ownerAlive = (owner) => owner === runtime.instanceId } = options
  const log = runtime.logger('notifications')
  const metrics = runtime.metrics('notifications')
  const { from, messageIdDomain } = senderOf(settings.mailFrom)
  const rate = { seconds: settings.rateSeconds, waiting: settings.rateWaiting }
  const retrySeconds = settings.retryHours * 3_600

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
      repositories: createRepositories,
      ...(afterCommit && { afterCommit }),
    })
  // The senders' own commits must not wake them: each look for work is one.
  const unitOfWork = unitOfWorkThat()

  const notifications = createNotificationRepository(database.db)
  const reader = createNotificationReader(database.db)
  const templates = createTemplateReader(database.db)
  const mailbox = createMailbox(database.db)
  const seal = createContentSeal(runtime.keys)
  const mailboxSeal = createMailboxSeal(runtime.keys)
  const mailMetrics = createMailMetrics(metrics)
  const ping = () => database.ping()
  const mailer =
    options.mailer ??
    openMailer(settings, runtime.environment, () =>
      createMailboxMailer({
        mailbox,
        seal: mailboxSeal,
        hashAddress: seal.hashAddress,
        newId: runtime.newId,
        ping,
      }),
    )

  const limited = createLimited({ maxBytes: settings.renderedBytes, maxMs: settings.renderTimeoutMs })
  const cache = createMemoryCache<ReadyTemplate>({
    name: 'templates',
    max: settings.cachedTemplates,
    ttlMs: TEMPLATE_TTL_MS,
    metrics,
  })
  const supplied = { product: settings.productName, signInLink: publicUrl }
  const renderer = createRenderer({ templates, cache, limited, supplied })

  const queue = queueMail({
    seal,
    clock: runtime.clock,
    newId: runtime.newId,
    context: runtime.context,
    messageIdDomain,
    retrySeconds,
    rate,
    onSuppressed: (template) => mailMetrics.count(template, 'suppressed'),
  })

  const inFlight = createInFlight()
  const sendDeps = {
    runtime,
    unitOfWork,
    notifications,
    seal,
    renderer,
    mailer,
    inFlight,
    from,
    rate,
    leaseSeconds: settings.sendTimeoutMs / 1_000 + 30,
    random: Math.random,
    onSettled: (status: Parameters<typeof mailMetrics.count>[1], { template }: { template: string }) =>
      mailMetrics.count(template, status),
  }
  const claim = claimDue(sendDeps)
  const send = sendClaimed(sendDeps)
  const loopOf = (urgent: boolean, concurrency: number) =>
    new SendLoop({
      concurrency,
      pollMs: settings.pollMs,
      claim: (limit, sure) => claim(urgent, limit, sure),
      send,
      inFlight,
      drainMs: 20_000,
      onError: (error) => log.warn({ err: error }, 'sending was interrupted, it goes on'),
    })
  const loops = { urgent: loopOf(true, settings.urgentSenders), normal: loopOf(false, settings.senders) }
  const wakeSenders = () => {
    loops.urgent.wake()
    loops.normal.wake()
  }

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
    /** Drops contents that were kept long enough. Runs by itself. */
    pruneContents: pruneContents({ runtime, unitOfWork, days: settings.bodyRetentionDays }),
    /** Has a message sent once more that failed or is unknown. Runs inside an execution context: the trail says who it was. */
    resendNotification: resendNotification({ unitOfWork, retrySeconds, onQueued: wakeSenders }),
    mailbox: {
      list: listMailbox({ mailbox, hashAddress: seal.hashAddress, open: mailboxSeal.open }),
    },
  }
  const housekeeping = createHousekeeping({
    database,
    settings,
    runtime,
    settle: async () => {
      const report = await verbs.settleLostClaims()
      if (report.queued > 0) wakeSenders()
      if (report.lost > 0) log.warn({ count: report.lost }, 'messages whose sender is gone are unknown now')
    },
    pruneContents: verbs.pruneContents,
    watch: async () => mailMetrics.ages(await reader.queueAges()),
  })

  const fromRequests = unitOfWorkThat(wakeSenders)
  const { newId } = runtime
  const http = await createHttpServer({
    service: 'notifications',
    runtime,
    routes: notificationsRoutes,
    errors: notificationsErrors,
    authenticator,
    ownerAlive,
    handlers: notificationsHandlers({
      unitOfWork: fromRequests,
      sendMail: (uow) => sendMail({ unitOfWork: uow, queue, newId }),
      listNotifications: listNotifications({ reader, seal }),
      getNotification: getNotification({ reader, seal }),
      countNotifications: countNotifications({
        reader,
        now: () => runtime.clock.now(),
        mostDays: settings.statsDays,
      }),
      suppressAddress: suppressAddress({ unitOfWork, seal, newId }),
      unsuppressAddress: unsuppressAddress({ unitOfWork, seal }),
      listSuppressions: listSuppressions({ reader: createSuppressionReader(database.db), seal }),
      listTemplates: listTemplates({ reader: templates }),
      getTemplate: getTemplate({ reader: templates }),
      saveTemplate: saveTemplate({ unitOfWork, checker: createTemplateChecker(limited) }),
    }),
    // A mail server that is away delays mails and nothing else, so it shows here and does not take the service out.
    health: { postgres: ping, bus: () => bus.ping(), mail: rememberCheck(() => mailer.verify(), 15_000) },
  })

  const { links, events } = notificationsSubscriptions({
    sendRequestedMail: sendRequestedMail({ queue, keys: runtime.keys, publicUrl }),
    notifyUser: notifyUser({ queue }),
    eraseUser: eraseUser({ seal }),
  })
  const listen = (subscription: typeof links, afterCommit: () => void) =>
    consume({ bus, unitOfWork: unitOfWorkThat(afterCommit), runtime, service: 'notifications', ...subscription })
  const subscriptions: { stop(): Promise<void> }[] = []

  return {
    ...verbs,
    http,
    /** Stores this release's templates, settles what an earlier process left, then begins to listen and to send. */
    start: async (): Promise<void> => {
      await seedTemplates({ runtime, unitOfWork, templates: BUILT_IN_TEMPLATES })()
      mailer.verify().then(
        () => log.info('the mailer is ready'),
        (error: { code?: string }) => log.warn({ code: error.code }, 'the mailer is not ready; messages wait'),
      )
      await housekeeping.start()
      loops.urgent.start()
      loops.normal.start()
      subscriptions.push(
        await listen(links, () => loops.urgent.wake(true)),
        // Alerts come this way too; they are found by the next look of their own senders.
        await listen(events, () => loops.normal.wake(true)),
      )
    },
    /** Takes no more events and no more messages; what is being handed over is finished and recorded. */
    stop: async (): Promise<void> => {
      await Promise.all(subscriptions.splice(0).map((subscription) => subscription.stop()))
      await Promise.all([loops.urgent.stop(), loops.normal.stop(), housekeeping.stop()])
    },
    close: async (): Promise<void> => {
      await http.close()
      await mailer.close()
      await cache.close()
      await database.close()
    },
  }
}
