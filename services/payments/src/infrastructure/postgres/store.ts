import { createUnitOfWork, openDatabase } from '@ashlar/platform/postgres'
import type { Runtime } from '@ashlar/platform/runtime'
import type { PaymentStore } from '../../application/ports.ts'
import { countPayments } from '../count-payments.ts'
import { attemptsRepository, findAttempt, openSource, sourcesRepository } from './attempts.ts'
import { bookedIn, pageEnd } from './booked.ts'
import { claimDue, forfeit, holders, leasesRepository, postpone } from './leases.ts'
import { ledgerRepository, postUnposted } from './ledger.ts'
import { findPayment, listPayments, paymentsRepository } from './payments.ts'
import { providerEventsRepository, wasHeard } from './provider-events.ts'
import { findRefund, refundsOf, refundsRepository } from './refunds.ts'
import type { PaymentsDatabase } from './tables.ts'

type Options = { runtime: Runtime; databaseUrl: string; max?: number; onAppended?: () => void }

/** Payments in PostgreSQL: row locks, unique keys and CHECK constraints hold what the port promises. */
export const createPostgresPaymentStore = ({ runtime, databaseUrl, max, onAppended }: Options) => {
  const database = openDatabase<PaymentsDatabase>({
    url: databaseUrl,
    max,
    applicationName: 'ashlar-payments',
    runtime,
    service: 'payments',
  })
  const { db } = database
  const plain = createUnitOfWork({
    database,
    runtime,
    service: 'payments',
    repositories: (tx, statements) => ({
      payments: paymentsRepository(tx, statements),
      attempts: attemptsRepository(tx),
      refunds: refundsRepository(tx),
      sources: sourcesRepository(tx, runtime.keys),
      leases: leasesRepository(tx),
      ledger: ledgerRepository(statements, runtime.keys),
      providerEvents: providerEventsRepository(tx),
    }),
    onAppended,
  })
  const unitOfWork = countPayments(plain, runtime.metrics('payments'))
  return {
    database,
    unitOfWork,
    find: (transactionId) => findPayment(db, transactionId),
    findAttempt: (transactionId) => findAttempt(db, transactionId),
    findRefund: (transactionId, id) => findRefund(db, transactionId, id),
    source: (transactionId) => openSource(db, runtime.keys, transactionId),
    list: (filter, page) => listPayments(db, filter, page),
    refundsOf: (transactionId, page) => refundsOf(db, transactionId, page),
    heard: (provider, eventId) => wasHeard(db, provider, eventId),
    postUnposted: (limit) => plain((tx) => postUnposted(tx.db, runtime.keys, limit)),
    pageEnd: (after, limit) => pageEnd(db, after, limit),
    booked: (range) => bookedIn(database, runtime.keys, range),
    // Single statements on a technical table: no audit context to send, so no transaction around them.
    claimDue: (owner, leaseMs, limit) => claimDue(db, owner, leaseMs, limit),
    postpone: (attemptId, owner, delayMs) => postpone(db, attemptId, owner, delayMs),
    forfeit: async (ownerAlive) => {
      const dead = (await holders(db)).filter((owner) => !ownerAlive(owner))
      return dead.length > 0 ? forfeit(db, dead) : 0
    },
    ping: () => database.ping(),
    close: () => database.close(),
  } satisfies PaymentStore & { database: typeof database }
}
