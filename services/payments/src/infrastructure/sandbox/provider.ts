import { setTimeout as sleep } from 'node:timers/promises'
import { formatAmount, isUuid } from '@ashlar/kernel'
import { createUnitOfWork, openDatabase } from '@ashlar/platform/postgres'
import type { Runtime } from '@ashlar/platform/runtime'
import type { AttemptRef, PaymentProvider } from '../../application/provider.ts'
import type { Verdict } from '../../domain/attempt.ts'
import { type Books, bookedFor, booksOf, type Operation, recordsOf } from './books.ts'
import { repeatDeliveries } from './deliveries.ts'
import { isKnownToken, type Script, scriptOf } from './scripts.ts'
import type { SandboxDatabase } from './tables.ts'
import { createWebhookSender, type WebhookOptions } from './webhooks.ts'

/** What `GET /dev/sandbox/charges` shows of one operation. */
export type SandboxCharge = {
  attemptId: string
  transactionId: string
  kind: 'charge' | 'refund' | 'void'
  amount: string
  currency: string
  outcome: 'succeeded' | 'declined' | 'voided'
  receivedCount: number
  at: string
}

export type SandboxProvider = PaymentProvider & {
  charges(filter: { transactionId: string }): Promise<SandboxCharge[]>
  /** Sends all webhooks of a payment once more, the same bytes signed anew; answers how many. */
  repeatWebhooks(filter: { transactionId: string }): Promise<number>
  ping(): Promise<void>
  start(): void
  stop(): Promise<void>
  close(): Promise<void>
}

/** A call that hangs ends with its caller's signal, or after this: no caller waits longer. */
const HANG_MS = 60_000

export type SandboxOptions = {
  runtime: Runtime
  databaseUrl: string
  /** Where it tells how attempts ended; without it, it only answers. */
  webhooks?: WebhookOptions
}

/**
 * A payment provider for development and tests that moves no money. It keeps books of its own, durable and
 * apart from everything that the payments service stores, so that they can testify what was charged.
 */
export const createSandboxProvider = ({ runtime, databaseUrl, webhooks }: SandboxOptions): SandboxProvider => {
  const database = openDatabase<SandboxDatabase>({
    url: databaseUrl,
    max: 5,
    applicationName: 'ashlar-sandbox',
    runtime,
    service: 'payments',
    dependency: 'sandbox',
  })
  const unitOfWork = createUnitOfWork({
    database,
    runtime,
    service: 'payments',
    repositories: (db) => ({ books: booksOf(db, webhooks && runtime) }),
  })
  const sender =
    webhooks &&
    createWebhookSender({ ...webhooks, db: database.db, clock: runtime.clock, log: runtime.logger('payments') })

  /** One arrival: counted, then booked as the token's script says unless it has ended already. */
  const arrive = async (ref: AttemptRef, source: string, signal: AbortSignal): Promise<Verdict> => {
    const { script, operation } = await unitOfWork(async ({ books }) => {
      await books.holdAttempt(ref.attemptId)
      const received = await books.receive(ref, ref.kind, source)
      if (received.outcome) return { operation: received }
      const first = received.received_count === 1
      const todo = scriptOf(source, ref.kind, first)
      return { script: todo, operation: todo.delayMs ? received : await end(books, ref, todo) }
    })
    if (!script) return verdictOf(operation)
    // A void that came before ends the attempt whatever the token says.
    if (operation?.outcome === 'voided') return verdictOf(operation)
    if (script.answers === 'unavailable') throw new Error('the sandbox is unavailable')
    if (script.answers === 'never') {
      await sleep(HANG_MS, undefined, { signal })
      throw new Error('the sandbox did not answer')
    }
    if (!script.delayMs) return verdictOf(operation)

    await sleep(script.delayMs, undefined, { signal })
    return unitOfWork(async ({ books }) => {
      await books.holdAttempt(ref.attemptId)
      return verdictOf(await end(books, ref, script))
    })
  }

  return {
    name: 'sandbox',
    accepts: isKnownToken,
    charge: (call, signal) => arrive(call, call.source, signal),
    refund: async (call, signal) => {
      const charge = await booksOf(database.db).find(call.chargeReference, 'charge')
      if (charge?.outcome !== 'succeeded' || charge.source === null)
        return { kind: 'declined', failure: { code: 'charge_unknown', message: 'There is no charge to refund' } }
      return arrive(call, charge.source, signal)
    },
    find: async ({ attemptId, kind }) => {
      const operation = await booksOf(database.db).find(attemptId, kind)
      if (operation?.outcome) return verdictOf(operation)
      return (await booksOf(database.db).find(attemptId, 'void')) ? { kind: 'voided' } : { kind: 'not_found' }
    },
    void: (ref) =>
      unitOfWork(async ({ books }) => {
        await books.holdAttempt(ref.attemptId)
        const ended = await books.find(ref.attemptId, ref.kind)
        if (ended?.outcome) return verdictOf(ended)
        const tombstone = await books.receive(ref, 'void', null)
        if (!tombstone.outcome) await books.book(ref, 'void', 'voided')
        return { kind: 'voided' }
      }),
    charges: async ({ transactionId }) =>
      isUuid(transactionId) ? (await bookedFor(database.db, transactionId)).map(toCharge) : [],
    records: (range, limit) => recordsOf(database.db, range, limit),
    repeatWebhooks: ({ transactionId }) => repeatDeliveries(database.db, transactionId),
    ping: () => database.ping(),
    start: () => sender?.start(),
    stop: async () => sender?.stop(),
    close: async () => {
      await sender?.stop()
      await database.close()
    },
  }
}

/** Books what the script says; what was voided stays void, and what has ended stays as it is. */
const end = async (books: Books, ref: AttemptRef, script: Script): Promise<Operation | undefined> => {
  const { attemptId, kind } = ref
  const current = await books.find(attemptId, kind)
  if (current?.outcome) return current
  if (await books.find(attemptId, 'void')) return books.book(ref, kind, 'voided')
  if (script.books === 'nothing') return undefined
  return books.book(ref, kind, script.books, script.failure)
}

const verdictOf = (operation: Operation | undefined): Verdict => {
  if (!operation) throw new Error('the sandbox booked nothing')

  switch (operation.outcome) {
    case 'succeeded':
      return { kind: 'succeeded', reference: operation.attempt_id }
    case 'declined':
      return {
        kind: 'declined',
        failure: { code: operation.decline_code ?? 'declined', message: operation.decline_message ?? 'Declined' },
      }
    case 'voided':
      return { kind: 'voided' }
    case null:
      throw new Error(`attempt ${operation.attempt_id} has not ended`)
  }
}

const toCharge = (operation: Operation): SandboxCharge => ({
  attemptId: operation.attempt_id,
  transactionId: operation.transaction_id,
  kind: operation.kind,
  amount: formatAmount({ minor: operation.amount_minor, currency: operation.currency }),
  currency: operation.currency,
  outcome: operation.outcome as SandboxCharge['outcome'],
  receivedCount: operation.received_count,
  at: operation.at.toISOString(),
})
