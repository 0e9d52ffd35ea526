import { serviceContext } from '@ashlar/platform/context'
import type { UnitOfWork } from '@ashlar/platform/postgres'
import type { Runtime } from '@ashlar/platform/runtime'
import { type Kysely, sql } from 'kysely'
import type { AuthTables } from './postgres/tables.ts'

export type Housekeeping = { start(): void; runOnce(): Promise<void>; stop(): Promise<void> }

type Options = {
  unitOfWork: UnitOfWork<{ db: Kysely<AuthTables> }>
  runtime: Runtime
  reloadKeys: () => Promise<void>
  graceMs: number
  registrationDays: number
  sessionDays: number
  everyMs?: number
}

const DAY_MS = 86_400_000
const BATCH = 1_000

/** Removes what nobody may use any more, in small transactions, and takes up signing keys that others have made. */
export const createHousekeeping = (options: Options): Housekeeping => {
  const { unitOfWork, runtime, reloadKeys, everyMs = 60_000 } = options
  const log = runtime.logger('auth')
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let stopped = false

  const sweep = async (): Promise<void> => {
    const now = runtime.clock.now()
    const before = (ms: number): Date => new Date(now.getTime() - ms)
    const registrationsEnd = before(options.registrationDays * DAY_MS)
    const sessionsEnd = before(options.sessionDays * DAY_MS)
    const statements = [
      sql`DELETE FROM revocations WHERE expires_at <= ${now}`,
      sql`DELETE FROM registrations WHERE created_at <= ${registrationsEnd}`,
      sql`DELETE FROM reset_tokens WHERE expires_at <= ${now}`,
      sql`UPDATE refresh_tokens SET successor_sealed = NULL
        WHERE successor_sealed IS NOT NULL AND consumed_at <= ${before(options.graceMs)}`,
      sql`DELETE FROM refresh_tokens WHERE session_id IN (
        SELECT s.id FROM sessions s WHERE s.absolute_expires_at <= ${now}
          AND EXISTS (SELECT FROM refresh_tokens t WHERE t.session_id = s.id) LIMIT ${BATCH})`,
      sql`DELETE FROM sessions WHERE id IN (
        SELECT id FROM sessions WHERE absolute_expires_at <= ${now}
          AND coalesce(ended_at, absolute_expires_at) <= ${sessionsEnd} LIMIT ${BATCH})`,
    ]
    for (const statement of statements) await unitOfWork(({ db }) => statement.execute(db))
    await reloadKeys()
  }

  const runOnce = (): Promise<void> => {
    running ??= runtime.context.run(serviceContext('auth'), sweep).finally(() => {
      running = undefined
    })
    return running
  }

  const schedule = (): void => {
    if (stopped) return
    timer = setTimeout(() => {
      runOnce()
        .catch((error: unknown) => log.warn({ err: error }, 'housekeeping failed, trying again later'))
        .finally(schedule)
    }, everyMs)
    timer.unref()
  }

  return {
    start: schedule,
    runOnce,
    stop: async () => {
      stopped = true
      clearTimeout(timer)
      await running?.catch(() => undefined)
    },
  }
}
