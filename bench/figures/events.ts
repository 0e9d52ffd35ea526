import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import type { Ashlar, Person } from '../ashlar.ts'
import { message, pace } from '../load.ts'
import { sleep } from '../processes.ts'
import { quantile } from '../rounds.ts'
import { type Figure, ms, rate } from '../table.ts'

const PER_SECOND = 100
const SECONDS = 8
const GOAL_MS = 5

export type EventDatabases = { bus: pg.Client; notifications: pg.Client }

/**
 * From the writing of an event to the transaction in which its consumer handles it, both by the clock of this machine.
 * The event's own time is taken just before its commit, so the figure is a little above the truth, never below.
 */
export const consumerFigure = async (ashlar: Ashlar, person: Person, databases: EventDatabases): Promise<Figure> => {
  await ashlar.settle()
  const [{ position = '0' } = {}] = (await databases.bus.query('SELECT max(position) AS position FROM events')).rows
  const { requests } = await pace({
    port: ashlar.served.port,
    perSecond: PER_SECOND,
    seconds: SECONDS,
    client: () => payment(person),
    expect: 201,
  })

  for (let at = 0, before = -1; at < 40; at += 1) {
    const handled = Number((await databases.notifications.query('SELECT count(*) FROM inbox')).rows[0]?.count)
    if (handled === before) break
    before = handled
    await sleep(500)
  }
  const written = await databases.bus.query<{ event_id: string; time: string }>(
    `SELECT event_id, envelope ->> 'time' AS time FROM events WHERE position > $1 AND type = 'payment.created.v1'`,
    [position ?? '0'],
  )
  const handled = await databases.notifications.query<{ event_id: string; ms: number }>(
    'SELECT event_id, extract(epoch FROM handled_at)::float8 * 1000 AS ms FROM inbox WHERE event_id = ANY ($1::uuid[])',
    [written.rows.map(({ event_id }) => event_id)],
  )
  const handledAt = new Map(handled.rows.map(({ event_id, ms: at }) => [event_id, at]))
  const latencies = written.rows.flatMap(({ event_id, time }) => {
    const at = handledAt.get(event_id)
    return at === undefined ? [] : [at - Date.parse(time)]
  })
  if (latencies.length < requests) {
    throw new Error(`only ${latencies.length} of ${requests} events were handled`)
  }
  const p50 = quantile(latencies, 0.5)
  return {
    what: `commit → consumer at ${PER_SECOND}/s`,
    ashlar: `p50 ${ms(p50)}, p99 ${ms(quantile(latencies, 0.99))}`,
    against: `limit p50 ${GOAL_MS} ms; ${latencies.length} events at ${rate(requests / SECONDS)}`,
    goal: `p50 ≤ ${GOAL_MS} ms`,
    reached: p50 <= GOAL_MS,
  }
}

const payment = ({ accessToken }: Person): string =>
  message({
    method: 'POST',
    path: '/payments/create',
    headers: { authorization: `Bearer ${accessToken}`, 'idempotency-key': randomUUID() },
    body: { amount: '10.00', currency: 'EUR', method: 'credit_card' },
  })
