import { serviceContext } from '@ashlar/platform/context'
import { pruneInbox } from '@ashlar/platform/outbox'
import type { UnitOfWork } from '@ashlar/platform/postgres'
import { createTicker, type Runtime, type Ticker } from '@ashlar/platform/runtime'
import { type Kysely, type RawBuilder, sql } from 'kysely'
import { forgetUnusedKinds } from './hash-kinds.ts'
import type { AuthTables } from './postgres/tables.ts'

export type Housekeeping = Ticker & { runOnce(): Promise<void> }

type Options = {
  unitOfWork: UnitOfWork<{ db: Kysely<AuthTables> }>
  runtime: Runtime
  graceMs: number
  registrationDays: number
  sessionDays: number
  inboxDays: number
  reloadHashKinds: () => Promise<void>
  everyMs?: number
}

const DAY_MS = 86_400_000
const BATCH = 1_000

/** Removes what nobody may use any more, in small transactions. */
export const createHousekeeping = (options: Options): Housekeeping => {
  const { unitOfWork, runtime, everyMs = 60_000 } = options
  const log = runtime.logger('auth')
  // Sessions that expired before have no tokens any more: only the first round of a process looks through them all.
  let bareSince = new Date(0)

  const sweep = async (): Promise<void> => {
    const now = runtime.clock.now()
    const before = (ms: number): Date => new Date(now.getTime() - ms)
    const registrationsEnd = before(options.registrationDays * DAY_MS)
    const sessionsEnd = before(options.sessionDays * DAY_MS)
    const statements = [
      sql`DELETE FROM revocations WHERE expires_at <= ${now}`,
      sql`DELETE FROM registrations WHERE created_at <= ${registrationsEnd}`,
      sql`DELETE FROM reset_tokens WHERE expires_at <= ${now}`,
      sql`DELETE FROM mailed_links WHERE mailed_at <= ${before(DAY_MS)}`,
      // What could not be answered in a day is not waited for any more.
      sql`DELETE FROM address_requests WHERE requested_at <= ${before(DAY_MS)}`,
      forgetUnusedKinds(now),
      sql`UPDATE refresh_tokens SET successor_sealed = NULL
        WHERE successor_sealed IS NOT NULL AND consumed_at <= ${before(options.graceMs)}`,
    ]
    for (const statement of statements) await unitOfWork(({ db }) => statement.execute(db))

    // Tokens go when a session can live no more, the session itself later; each in batches until none is left.
    await inBatches(sql`
      DELETE FROM refresh_tokens WHERE session_id IN (
        SELECT s.id FROM sessions s WHERE s.absolute_expires_at BETWEEN ${bareSince} AND ${now}
          AND EXISTS (SELECT FROM refresh_tokens t WHERE t.session_id = s.id) LIMIT ${BATCH})`)
    bareSince = before(DAY_MS)
    await inBatches(sql`
      DELETE FROM sessions WHERE id IN (
        SELECT id FROM sessions WHERE absolute_expires_at <= ${now}
          AND coalesce(ended_at, absolute_expires_at) <= ${sessionsEnd} LIMIT ${BATCH})`)
    await unitOfWork(({ db }) => pruneInbox(db, { days: options.inboxDays }))
    await options.reloadHashKinds()
  }

  const inBatches = async (statement: RawBuilder<unknown>): Promise<void> => {
    for (;;) {
      const { numAffectedRows } = await unitOfWork(({ db }) => statement.execute(db))
      if (numAffectedRows === undefined || numAffectedRows === 0n) return
    }
  }

  const runOnce = (): Promise<void> => runtime.context.run(serviceContext('auth'), sweep)
  const ticker = createTicker({
    everyMs,
    work: runOnce,
    onError: (error) => log.warn({ err: error }, 'housekeeping failed, trying again later'),
  })
  return { ...ticker, runOnce }
}
