import type { Envelope } from '../../events/index.ts'
import type { Session } from '../../postgres/index.ts'

export type LoggedEvent = { position: bigint; event_id: string; key: string; envelope: Envelope }

export type QueuedEvent = LoggedEvent & { state: 'retrying' | 'waiting' | 'dead'; attempts: number; due: boolean }

/** What became of an event that was to line up behind others of its key. */
export type HeldState = 'retrying' | 'waiting' | 'dead' | 'discarded' | 'done'

/**
 * One subscription's SQL, on the connection that holds its lock: whoever has lost the lock has lost the connection
 * too, and can change nothing any more.
 */
export type SubscriptionLog = {
  /** Where it stands, which keys are held up, and which positions after that were given up. */
  load(): Promise<{ position: bigint; blocked: string[]; discarded: bigint[] }>
  /** The next events of its types, and the last position of the log at that moment. `done`: saved on the way. */
  read(
    after: bigint,
    types: readonly string[],
    limit: number,
    done?: bigint,
  ): Promise<{ horizon: bigint; events: LoggedEvent[] }>
  save(position: bigint): Promise<void>
  fail(event: LoggedEvent, error: string, delayMs: number | undefined): Promise<void>
  hold(event: LoggedEvent): Promise<HeldState>
  settle(position: bigint): Promise<void>
  failAgain(position: bigint, error: string, delayMs: number | undefined): Promise<void>
  head(key: string): Promise<QueuedEvent | undefined>
  dueKeys(limit: number): Promise<string[]>
  deadCount(): Promise<number>
}

export const createSubscriptionLog = (session: Session, name: string): SubscriptionLog => ({
  load: async () => {
    const [subscription] = await session.query<{ position: bigint }>(
      'SELECT position FROM subscriptions WHERE name = $1',
      [name],
    )
    if (!subscription) throw new Error(`the subscription ${name} is gone`)
    const blocked = await session.query<{ key: string }>(
      `SELECT DISTINCT key FROM deliveries WHERE subscription = $1 AND state <> 'discarded'`,
      [name],
    )
    const discarded = await session.query<{ position: bigint }>(
      `SELECT position FROM deliveries WHERE subscription = $1 AND state = 'discarded' AND position > $2`,
      [name, subscription.position],
    )
    return {
      position: subscription.position,
      blocked: blocked.map((row) => row.key),
      discarded: discarded.map((row) => row.position),
    }
  },

  read: async (after, types, limit, done) => {
    const read = { text: READ, values: [after, types, limit] }
    const answers = await session.batch(done === undefined ? [read] : [{ text: SAVE, values: [name, done] }, read])
    const rows = (answers.at(-1)?.rows ?? []) as ReadRow[]
    return {
      horizon: rows[0]?.horizon ?? after,
      events: rows.flatMap(({ horizon: _, position, ...event }) => (position === null ? [] : [{ ...event, position }])),
    }
  },

  save: async (position) => {
    await session.ask(SAVE, [name, position])
  },

  fail: async (event, error, delayMs) => {
    await session.ask('SELECT bus_fail($1, $2, $3, $4, $5, $6, $7)', [
      name,
      event.position,
      event.event_id,
      event.key,
      JSON.stringify(event.envelope),
      error,
      delayMs ?? null,
    ])
  },

  hold: async (event) => {
    const [row] = await session.ask<{ state: HeldState }>('SELECT bus_hold($1, $2, $3, $4, $5) AS state', [
      name,
      event.position,
      event.event_id,
      event.key,
      JSON.stringify(event.envelope),
    ])
    if (!row) throw new Error('bus_hold answered nothing')
    return row.state
  },

  settle: async (position) => {
    await session.ask('SELECT bus_settle($1, $2)', [name, position])
  },

  failAgain: async (position, error, delayMs) => {
    await session.ask('SELECT bus_fail_again($1, $2, $3, $4)', [name, position, error, delayMs ?? null])
  },

  head: async (key) => {
    const [row] = await session.ask<QueuedEvent>(
      `SELECT position, event_id, key, envelope, state, attempts,
         state = 'retrying' AND next_attempt_at <= clock_timestamp() AS due
       FROM deliveries WHERE subscription = $1 AND key = $2 AND state <> 'discarded' ORDER BY position LIMIT 1`,
      [name, key],
    )
    return row
  },

  dueKeys: async (limit) => {
    const rows = await session.ask<{ key: string }>(
      `SELECT key FROM deliveries
       WHERE subscription = $1 AND state = 'retrying' AND next_attempt_at <= clock_timestamp()
       ORDER BY next_attempt_at LIMIT $2`,
      [name, limit],
    )
    return rows.map((row) => row.key)
  },

  deadCount: async () => {
    const [row] = await session.ask<{ count: number }>(
      `SELECT count(*)::int AS count FROM deliveries WHERE subscription = $1 AND state = 'dead'`,
      [name],
    )
    return row?.count ?? 0
  },
})

type ReadRow = { horizon: bigint; position: bigint | null } & Omit<LoggedEvent, 'position'>

/** One statement, so one snapshot: no event can lie between the horizon and what was read. */
const READ = `
  SELECT t.position AS horizon, e.position, e.event_id, e.key, e.envelope
  FROM topics t LEFT JOIN LATERAL (
    SELECT position, event_id, key, envelope FROM events
    WHERE position > $1 AND type = ANY ($2) ORDER BY position LIMIT $3) e ON true
  WHERE t.name = 'events' ORDER BY e.position`

const SAVE = 'UPDATE subscriptions SET position = $2, updated_at = now() WHERE name = $1 AND position < $2'
