import { type TestDatabase, type TestRuntime, testDatabase, testRuntime } from '@ashlar/platform/testing'
import { cancelPayment } from '../src/application/commands/cancel-payment.ts'
import { createPayment } from '../src/application/commands/create-payment.ts'
import { processPayment } from '../src/application/commands/process-payment.ts'
import { receiveEvent } from '../src/application/commands/receive-event.ts'
import { reconcileAttempts } from '../src/application/commands/reconcile-attempts.ts'
import { refundPayment } from '../src/application/commands/refund-payment.ts'
import { setStatus } from '../src/application/commands/set-status.ts'
import type { ProviderDeps } from '../src/application/deps.ts'
import type { PaymentStore } from '../src/application/ports.ts'
import type { PaymentProvider } from '../src/application/provider.ts'
import { type VerifyLedger, verifyLedger } from '../src/application/queries/verify-ledger.ts'
import type { Patience } from '../src/domain/attempt.ts'
import type { Payment } from '../src/domain/payment.ts'
import { paymentsMigrations, sandboxMigrations } from '../src/index.ts'
import { createPostgresPaymentStore } from '../src/infrastructure/postgres/store.ts'
import { createSandboxProvider, type SandboxProvider } from '../src/infrastructure/sandbox/provider.ts'

/** Waits for a busy machine as long as it takes; nobody who gives it a call that hangs. */
const PATIENCE: Patience = { callLimitMs: 8_000, voidGraceMs: 60_000, firstLookMs: 10, maxLookMs: 50 }

/** One start of the program on databases that outlive it. */
export type Process = {
  runtime: TestRuntime
  store: PaymentStore
  sandbox: SandboxProvider
  deps: ProviderDeps
  createPayment: ReturnType<typeof createPayment>
  processPayment: ReturnType<typeof processPayment>
  refundPayment: ReturnType<typeof refundPayment>
  setStatus: ReturnType<typeof setStatus>
  cancelPayment: ReturnType<typeof cancelPayment>
  receiveEvent: ReturnType<typeof receiveEvent>
  verifyLedger: VerifyLedger
  reconcile: ReturnType<typeof reconcileAttempts>
  /** What `start` does before the loop runs: takes over the leases of processes that are gone. */
  adopt: () => Promise<number>
  close: () => Promise<void>
}

/** For calls that hang on purpose: the short limit is all that a test waits for. */
export const HASTY: StartOptions = { patience: { callLimitMs: 300 } }

type StartOptions = { patience?: Partial<Patience>; provider?: (sandbox: SandboxProvider) => PaymentProvider }

export type World = {
  payments: TestDatabase
  sandboxDatabase: TestDatabase
  /** Starts another process; every one of them is closed with the world. */
  start: (options?: StartOptions) => Process
  close: () => Promise<void>
}

export const createWorld = async (): Promise<World> => {
  const payments = await testDatabase('payments', paymentsMigrations)
  const sandboxDatabase = await testDatabase('sandbox', sandboxMigrations)
  const started: Process[] = []
  return {
    payments,
    sandboxDatabase,
    start: (options) => {
      const process = startProcess(payments.url, sandboxDatabase.url, options)
      started.push(process)
      return process
    },
    close: async () => {
      for (const process of started) await process.close()
      await payments.close()
      await sandboxDatabase.close()
    },
  }
}

const startProcess = (databaseUrl: string, sandboxUrl: string, options: StartOptions = {}): Process => {
  const runtime = testRuntime()
  const sandbox = createSandboxProvider({ runtime, databaseUrl: sandboxUrl })
  const store = createPostgresPaymentStore({ runtime, databaseUrl })
  const deps: ProviderDeps = {
    store,
    provider: options.provider ? options.provider(sandbox) : sandbox,
    clock: runtime.clock,
    newId: runtime.newId,
    context: runtime.context,
    faults: runtime.faults,
    instanceId: runtime.instanceId,
    patience: { ...PATIENCE, ...options.patience },
    requestKey: (userId, key) => runtime.keys.hash('payment-request', `${userId}\0${key}`),
  }
  const inContext =
    <I, O>(useCase: (input: I) => Promise<O>) =>
    (input: I): Promise<O> =>
      runtime.as(() => useCase(input))
  return {
    runtime,
    store,
    sandbox,
    deps,
    createPayment: inContext(createPayment({ ...deps, unitOfWork: store.unitOfWork })),
    processPayment: inContext(processPayment(deps)),
    refundPayment: inContext(refundPayment(deps)),
    setStatus: inContext(setStatus(deps)),
    cancelPayment: inContext(cancelPayment(deps)),
    receiveEvent: inContext(receiveEvent(deps)),
    verifyLedger: (onProgress) => runtime.as(() => verifyLedger(deps)(onProgress)),
    reconcile: () =>
      runtime.as(
        reconcileAttempts({
          ...deps,
          report: (error) => {
            throw error
          },
        }),
      ),
    adopt: () => store.forfeit((owner) => owner === runtime.instanceId),
    close: async () => {
      runtime.faults.clear()
      await store.close()
      await sandbox.close()
    },
  }
}

export const USER = '01936f2e-0000-7000-8000-000000000001'
export const owner = { userId: USER, permissions: [] }

/** A payment of 100.00 EUR unless told otherwise, still pending. */
export const newPendingPayment = async (
  { createPayment: create }: Pick<Process, 'createPayment'>,
  source: string | undefined = 'tok_ok',
  minor = 10_000n,
): Promise<Payment> => {
  const created = await create({
    userId: USER,
    money: { minor, currency: 'EUR' },
    method: 'credit_card',
    source,
    description: 'A chair',
    metadata: { order: '7' },
  })
  return created.ok ? created.value : raise(created)
}

/** A payment that was charged. */
export const newCompletedPayment = async (process: Process, source = 'tok_ok', minor = 10_000n): Promise<Payment> => {
  const { transactionId } = await newPendingPayment(process, source, minor)
  const result = await process.processPayment({ requester: owner, transactionId, key: 'charge' })
  return result.ok ? result.value : raise(result)
}

/** The outbox as it stands: type, subject, sequence and data of each event. */
export const eventsOf = async (database: TestDatabase, subject: string) => {
  const rows = await database.sql<{ envelope: { type: string; sequence: number; data: Record<string, unknown> } }>(
    `SELECT envelope FROM outbox WHERE envelope ->> 'subject' = $1 ORDER BY id`,
    [subject],
  )
  return rows.map(({ envelope: { type, sequence, data } }) => ({ type, sequence, data }))
}

export const typesOf = async (database: TestDatabase, subject: string): Promise<string[]> =>
  (await eventsOf(database, subject)).map(({ type }) => type)

/** Lets time pass for attempts without an end: they are older by `seconds` and due now. */
export const age = async (database: TestDatabase, transactionId: string, seconds: number): Promise<void> => {
  await database.sql(
    `UPDATE attempt_leases SET started_at = started_at - make_interval(secs => $2),
       leased_until = clock_timestamp(), look_at = clock_timestamp() WHERE transaction_id = $1`,
    [transactionId, seconds],
  )
}

/** Charges of the sandbox's own books, without their times. */
export const booked = async ({ sandbox }: Pick<Process, 'sandbox'>, transactionId: string): Promise<string[]> =>
  (await sandbox.charges({ transactionId })).map(({ kind, outcome }) => `${kind} ${outcome}`)

const raise = (result: unknown): never => {
  throw new Error(`expected a value, got ${JSON.stringify(result)}`)
}
