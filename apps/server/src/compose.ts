import { type Audit, createAudit } from '@ashlar/audit'
import { type Auth, createAuth } from '@ashlar/auth'
import { createGateway, type Gateway } from '@ashlar/gateway'
import { createNotifications, type Notifications } from '@ashlar/notifications'
import { createPayments, createSandboxProvider, type Payments } from '@ashlar/payments'
import { createBroadcast } from '@ashlar/platform/broadcast'
import { type Bus, createBusHub, createBusRetention, createPostgresBus } from '@ashlar/platform/bus'
import type { DatabaseName, Runtime } from '@ashlar/platform/runtime'
import type { Configuration } from './config.ts'
import { createFindings } from './doctor/findings.ts'
import { AUDITED_DATABASES, type Stores } from './stores.ts'

/** One whole Ashlar: made, not yet working. */
export type Ashlar = {
  gateway: Gateway
  auth: Auth
  payments: Payments
  notifications: Notifications
  audit: Audit
  /** Takes up the work: readers of changes first, so that no write of a service precedes its slot. */
  start(): Promise<void>
  /** Stops taking work and lets what runs end. */
  stop(): Promise<void>
  /** Closes what `compose` opened; the stores belong to the caller. */
  close(): Promise<void>
}

/** Puts the services together. Several calls in one process make several Ashlars that share nothing. */
export const compose = async (configuration: Configuration, runtime: Runtime, stores: Stores): Promise<Ashlar> => {
  const { publicUrl, dataDir, environment, busRetentionDays } = configuration.core
  const broadcast = createBroadcast()
  const hub = createBusHub()
  const busAs = (role: DatabaseName): Bus => createPostgresBus({ url: stores.url('bus', role), runtime, hub })
  const buses = {
    auth: busAs('auth'),
    payments: busAs('payments'),
    notifications: busAs('notifications'),
    audit: busAs('audit'),
  }

  const auth = await createAuth({
    runtime,
    settings: configuration.auth,
    databaseUrl: stores.url('auth'),
    bus: buses.auth,
    broadcast,
    publicUrl,
    limitsEnabled: configuration.gateway.rateLimitEnabled,
  })
  const { authenticator } = auth

  // The sandbox charges nobody: production without a provider of its own answers `provider_not_configured`.
  const production = environment === 'production'
  const secret = configuration.payments.sandboxWebhookSecret ?? runtime.keys.derive('sandbox-webhook').toString('hex')
  const sandbox = production
    ? undefined
    : createSandboxProvider({
        runtime,
        databaseUrl: stores.url('sandbox'),
        webhooks: { url: `${publicUrl}/payments/webhooks/sandbox`, secret },
      })
  const payments = await createPayments({
    runtime,
    settings: configuration.payments,
    databaseUrl: stores.url('payments'),
    bus: buses.payments,
    authenticator,
    provider: sandbox,
    webhookSecrets: { sandbox: sandbox && secret },
  })

  const notifications = await createNotifications({
    runtime,
    settings: configuration.notifications,
    databaseUrl: stores.url('notifications'),
    bus: buses.notifications,
    authenticator,
    publicUrl,
  })

  const audit = await createAudit({
    runtime,
    settings: configuration.audit,
    databaseUrl: stores.url('audit'),
    bus: buses.audit,
    authenticator,
    dataDir,
    sources: AUDITED_DATABASES.map((service) => ({
      service,
      url: stores.url(service, 'changes'),
      slot: runtime.names.slot(service),
      publication: runtime.names.publication,
    })),
  })

  const gateway = await createGateway({
    runtime,
    settings: configuration.gateway,
    services: { auth, payments, notifications, audit },
    authenticator,
    publicUrl,
    dev: sandbox && { mailbox: notifications.mailbox, charges: sandbox.charges },
    report: createFindings(dataDir, (error) => runtime.logger('gateway').warn({ err: error }, 'a finding is not kept')),
    refuseWrites: () => audit.pressure().refuseWrites,
  })

  const retention = createBusRetention({ url: stores.url('bus'), runtime, keepDays: busRetentionDays })
  const services = [audit, auth, notifications, payments]
  const helpers = [...(sandbox ? [sandbox] : []), retention]
  return {
    gateway,
    auth,
    payments,
    notifications,
    audit,
    start: async () => {
      for (const service of services) await service.start()
      for (const helper of helpers) helper.start()
    },
    stop: async () => {
      for (const part of [...services, ...helpers].reverse()) await part.stop()
    },
    close: async () => {
      await Promise.all([...services, ...(sandbox ? [sandbox] : [])].map((part) => part.close()))
      await Promise.all(Object.values(buses).map((bus) => bus.close()))
    },
  }
}
