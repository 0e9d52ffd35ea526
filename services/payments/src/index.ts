import type { Bus } from '@ashlar/platform/bus'
import { serviceContext } from '@ashlar/platform/context'
import { type Authenticator, createHttpServer, type HttpServer } from '@ashlar/platform/http'
import { pruneIdempotencyKeys } from '@ashlar/platform/idempotency'
import { createRelay } from '@ashlar/platform/outbox'
import type { MigrationSet } from '@ashlar/platform/postgres'
import { createTicker, type Runtime } from '@ashlar/platform/runtime'
import { paymentsHandlers } from './api/http.ts'
import { receiveWebhook } from './api/webhooks.ts'
import { type CancelPayment, cancelPayment } from './application/commands/cancel-payment.ts'
import { type CreatePayment, createPayment } from './application/commands/create-payment.ts'
import { postUnposted } from './application/commands/post-unposted.ts'
import { type ProcessPayment, processPayment } from './application/commands/process-payment.ts'
import { receiveEvent } from './application/commands/receive-event.ts'
import { type Reconciled, reconcileAttempts } from './application/commands/reconcile-attempts.ts'
import { type RefundPayment, refundPayment } from './application/commands/refund-payment.ts'
import { type SetStatus, setStatus } from './application/commands/set-status.ts'
import type { ProviderDeps } from './application/deps.ts'
import type { PaymentStore } from './application/ports.ts'
import type { PaymentProvider } from './application/provider.ts'
import { type GetPayment, getPayment } from './application/queries/get-payment.ts'
import { type ListPayments, listPayments } from './application/queries/list-payments.ts'
import { type ListRefunds, listRefunds } from './application/queries/list-refunds.ts'
import { type VerifyLedger, verifyLedger } from './application/queries/verify-ledger.ts'
import { Reconciler } from './application/reconciler.ts'
import { paymentsErrors, paymentsRoutes } from './contract.ts'
import { pruneProviderEvents } from './infrastructure/postgres/provider-events.ts'
import { createPostgresPaymentStore } from './infrastructure/postgres/store.ts'
import { createSandboxWebhookReader } from './infrastructure/sandbox/webhook-reader.ts'
import type { PaymentsSettings } from './settings.ts'

export type { PaymentProvider } from './application/provider.ts'
export type { LedgerVerdict, VerifyLedger } from './application/queries/verify-ledger.ts'
export { createSandboxProvider, type SandboxCharge, type SandboxProvider } from './infrastructure/sandbox/provider.ts'
export { type PaymentsSettings, paymentsSettings } from './settings.ts'

export const paymentsMigrations: MigrationSet = {
  service: 'payments',
  folder: new URL('../migrations/', import.meta.url),
}
export const sandboxMigrations: MigrationSet = {
  service: 'sandbox',
  folder: new URL('../migrations-sandbox/', import.meta.url),
}

export type PaymentsOptions = {
  runtime: Runtime
  settings: PaymentsSettings
  databaseUrl: string
  bus: Bus
  authenticator: Authenticator
  /** Without one, payments can be created and read, and processing is refused. */
  provider?: PaymentProvider
  /** What the webhooks of each provider are signed with; without one they are not taken. */
  webhookSecrets?: { sandbox?: string }
  /**
   * Whether a process that holds leases may still be alive. By default only this one is, which is right where one
   * process owns the database; where several do, answer true for those not known dead.
   */
  ownerAlive?: (owner: string) => boolean
}

/** The verbs run inside an execution context: who asks is part of what is written. */
export type Payments = {
  createPayment: CreatePayment
  /** Charges a pending payment, once. */
  processPayment: ProcessPayment
  refundPayment: RefundPayment
  getPayment: GetPayment
  listPayments: ListPayments
  listRefunds: ListRefunds
  /** What an operator may do by hand; whoever calls this may. */
  setStatus: SetStatus
  cancelPayment: CancelPayment
  /** Needs no execution context: it belongs to nobody's request. */
  verifyLedger: VerifyLedger
  /** One pass over the attempts that have no end yet and are due; `start` runs it all the time. */
  reconcileAttempts: () => Promise<Reconciled>
  http: HttpServer
  start(): Promise<void>
  /** Takes no new looks and lets the one that runs end; what stays open is found by the next start. */
  stop(): Promise<void>
  close(): Promise<void>
}

const HOUSEKEEPING_MS = 3_600_000

/** Payments, their charges and refunds: never charged twice, never refunded above what was paid. */
export const createPayments = async (options: PaymentsOptions): Promise<Payments> => {
  const { runtime, settings, databaseUrl, bus, provider } = options
  const { ownerAlive = (owner) => owner === runtime.instanceId } = options
  const log = runtime.logger('payments')
  const asService = <T>(work: () => Promise<T>): Promise<T> => runtime.context.run(serviceContext('payments'), work)

  const postgres = createPostgresPaymentStore({
    runtime,
    databaseUrl,
    max: settings.databaseConnections,
    onAppended: () => relay.wake(),
  })
  const store: PaymentStore = postgres
  const { db } = postgres.database
  const relay = createRelay({ database: postgres.database, bus, runtime, service: 'payments' })

  const deps: ProviderDeps = {
    store,
    provider,
    clock: runtime.clock,
    newId: runtime.newId,
    context: runtime.context,
    faults: runtime.faults,
    instanceId: runtime.instanceId,
    patience: {
      callLimitMs: settings.providerTimeoutMs,
      voidGraceMs: settings.voidAfterSeconds * 1_000,
      firstLookMs: settings.reconcileFirstLookMs,
      maxLookMs: settings.reconcileMaxLookMs,
    },
    requestKey: (userId, key) => runtime.keys.hash('payment-request', `${userId}\0${key}`),
  }
  const verbs = {
    createPayment: createPayment({ ...deps, unitOfWork: store.unitOfWork }),
    processPayment: processPayment(deps),
    refundPayment: refundPayment(deps),
    getPayment: getPayment(deps),
    listPayments: listPayments(deps),
    listRefunds: listRefunds(deps),
    setStatus: setStatus(deps),
    cancelPayment: cancelPayment(deps),
    verifyLedger: ((onProgress) =>
      asService(() => verifyLedger({ store, provider })(onProgress))) satisfies VerifyLedger,
    reconcileAttempts: reconcileAttempts({
      ...deps,
      report: (error, { attemptId }) => log.warn({ err: error, attemptId }, 'a look at an attempt failed'),
    }),
  }

  const reconciler = new Reconciler({
    adopt: () => store.forfeit(ownerAlive),
    pass: () => asService(verbs.reconcileAttempts),
    pollMs: settings.reconcilePollMs,
    onError: (error) => log.warn({ err: error }, 'reconciliation interrupted, trying again'),
  })

  let stopping = false
  const housekeeping = createTicker({
    everyMs: HOUSEKEEPING_MS,
    immediately: true,
    work: async () => {
      await asService(() => postUnposted(deps)(() => stopping))
      await pruneIdempotencyKeys(db, { olderThanHours: settings.idempotencyHours })
      await pruneProviderEvents(db, { days: settings.providerEventDays })
    },
    onError: (error) => log.warn({ err: error }, 'housekeeping failed, trying again later'),
  })

  const { sandbox } = options.webhookSecrets ?? {}
  const rule = sandbox && { secret: sandbox, toleranceSeconds: settings.webhookToleranceSeconds }
  const readers = new Map(rule && provider?.name === 'sandbox' ? [['sandbox', createSandboxWebhookReader(rule)]] : [])

  const http = await createHttpServer({
    service: 'payments',
    runtime,
    routes: paymentsRoutes,
    errors: paymentsErrors,
    handlers: paymentsHandlers({
      ...verbs,
      unitOfWork: postgres.unitOfWork,
      createPayment: (unitOfWork) => createPayment({ ...deps, unitOfWork }),
      receiveWebhook: receiveWebhook({ ...deps, readers, receiveEvent: receiveEvent(deps) }),
    }),
    authenticator: options.authenticator,
    ownerAlive,
    health: { postgres: () => store.ping(), ...(provider?.ping ? { [provider.name]: () => provider.ping?.() } : {}) },
  })

  return {
    ...verbs,
    http,
    start: async () => {
      stopping = false
      relay.start()
      reconciler.start()
      housekeeping.start()
      provider?.start?.()
    },
    stop: async () => {
      stopping = true
      await Promise.all([provider?.stop?.(), reconciler.stop(), housekeeping.stop()])
      await relay.stop()
    },
    close: async () => {
      await http.close()
      await store.close()
    },
  }
}
