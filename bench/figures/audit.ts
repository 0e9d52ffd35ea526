import type pg from 'pg'
import type { Ashlar } from '../ashlar.ts'
import { sleep } from '../processes.ts'
import { quantile } from '../rounds.ts'
import { type Figure, ms, rate } from '../table.ts'

const BACKLOG_ROWS = 40_000
const GOAL_PER_SECOND = 10_000
const SINGLE_ROWS = 300
const SINGLE_EVERY_MS = 10

export type AuditDatabases = { payments: pg.Client; audit: pg.Client }

const INSERT = `
  INSERT INTO payments (transaction_id, user_id, amount_minor, exponent, currency, method, status, created_at, updated_at)
  SELECT gen_random_uuid(), gen_random_uuid(), 1000, 2, 'EUR', 'credit_card', 'pending', now(), now()
  FROM generate_series(1, $1)`

const lastSequence = async (audit: pg.Client): Promise<number> => {
  const { rows } = await audit.query(`SELECT coalesce(max(sequence), 0) AS last FROM entries WHERE chain = 'payments'`)
  return Number(rows[0]?.last)
}

/** Rows that one statement wrote at once, from its commit until the last of them is an entry of the trail. */
export const backlogFigure = async (ashlar: Ashlar, { payments, audit }: AuditDatabases): Promise<Figure> => {
  await ashlar.settle()
  const wanted = (await lastSequence(audit)) + BACKLOG_ROWS
  await payments.query(INSERT, [BACKLOG_ROWS])
  const beganMs = performance.now()
  for (let last = 0; last < wanted; last = await lastSequence(audit)) {
    if (performance.now() - beganMs > 60_000) throw new Error('the trail does not keep up')
    await sleep(25)
  }
  const perSecond = BACKLOG_ROWS / ((performance.now() - beganMs) / 1000)
  return {
    what: `audit, backlog of ${BACKLOG_ROWS} rows`,
    ashlar: rate(perSecond),
    against: `limit ${GOAL_PER_SECOND}/s`,
    ratio: perSecond / GOAL_PER_SECOND,
    goal: `≥ ${GOAL_PER_SECOND}/s`,
    reached: perSecond >= GOAL_PER_SECOND,
  }
}

/** Single commits at an even pace: how long after each one's own time its entry was recorded. */
export const auditLagFigure = async (ashlar: Ashlar, { payments, audit }: AuditDatabases): Promise<Figure> => {
  await ashlar.settle()
  const first = await lastSequence(audit)
  for (let at = 0; at < SINGLE_ROWS; at += 1) {
    await payments.query(INSERT, [1])
    await sleep(SINGLE_EVERY_MS)
  }
  for (let at = 0; at < 200 && (await lastSequence(audit)) < first + SINGLE_ROWS; at += 1) await sleep(50)
  const { rows } = await audit.query<{ lag: number }>(
    `SELECT extract(epoch FROM recorded_at - (after ->> 'created_at')::timestamptz)::float8 * 1000 AS lag
     FROM entries WHERE chain = 'payments' AND sequence > $1`,
    [first],
  )
  const lags = rows.map(({ lag }) => lag)
  if (lags.length < SINGLE_ROWS) throw new Error(`only ${lags.length} of ${SINGLE_ROWS} rows reached the trail`)
  return {
    what: 'audit, write → entry recorded',
    ashlar: `p50 ${ms(quantile(lags, 0.5))}, p99 ${ms(quantile(lags, 0.99))}`,
    against: `${SINGLE_ROWS} single commits`,
  }
}
