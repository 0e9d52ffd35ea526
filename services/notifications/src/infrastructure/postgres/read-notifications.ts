import { sql } from 'kysely'
import type { MessageView, NotificationReader } from '../../application/ports.ts'
import type { RecordedStep } from '../../domain/timeline.ts'
import type { Db } from './schema.ts'

const messages = (db: Db) =>
  db
    .selectFrom('notifications as n')
    .leftJoin('notification_contents as c', 'c.notification_id', 'n.id')
    .select([
      'n.id',
      'n.template',
      'n.template_version',
      'n.user_id',
      'n.status',
      'n.reason',
      'n.attempts',
      'n.created_at',
      'n.next_attempt_at',
      'n.claimed_at',
      'n.settled_at',
      sql<string>`n.created_at::text`.as('position'),
      'c.sealed',
      'c.format',
    ])

type Row = Awaited<ReturnType<ReturnType<typeof messages>['execute']>>[number]

const toView = (row: Row): MessageView => ({
  id: row.id,
  template: row.template,
  templateVersion: row.template_version,
  userId: row.user_id,
  status: row.status,
  reason: row.reason,
  attempts: row.attempts,
  createdAt: row.created_at,
  nextAttemptAt: row.next_attempt_at,
  claimedAt: row.claimed_at,
  settledAt: row.settled_at,
  position: { createdAt: row.position, id: row.id },
  content: row.sealed === null ? undefined : { sealed: row.sealed, format: row.format ?? 1 },
})

/** What people are told about messages. Each statement stands alone; nothing is locked. */
export const createNotificationReader = (db: Db): NotificationReader => ({
  find: async (id) => {
    const row = await messages(db).where('n.id', '=', id).executeTakeFirst()
    if (!row) return undefined
    const steps = await db
      .selectFrom('notification_steps')
      .selectAll()
      .where('notification_id', '=', id)
      .orderBy('number')
      .execute()
    return {
      message: toView(row),
      steps: steps.map(
        (step): RecordedStep => ({
          step: step.step,
          at: step.at,
          attempt: step.attempt,
          reason: step.reason,
          beganAt: step.began_at,
          handedAt: step.handed_at,
        }),
      ),
    }
  },

  list: async ({ userId, recipients, status, template, from, to }, { limit, after }) => {
    let query = messages(db)
    if (userId !== undefined) query = query.where('n.user_id', '=', userId)
    if (recipients !== undefined) query = query.where('n.recipient', 'in', [...recipients])
    // Written into the statement: only so the planner knows that the partial index of the rarer states will do.
    if (status !== undefined) query = query.where('n.status', '=', sql.lit(status))
    if (template !== undefined) query = query.where('n.template', '=', template)
    if (from !== undefined) query = query.where('n.created_at', '>=', from)
    if (to !== undefined) query = query.where('n.created_at', '<', to)
    if (after) {
      const { createdAt, id } = after
      query = query.where(sql<boolean>`(n.created_at, n.id) < (${createdAt}::timestamptz, ${id}::uuid)`)
    }
    const rows = await query.orderBy('n.created_at', 'desc').orderBy('n.id', 'desc').limit(limit).execute()
    return rows.map(toView)
  },

  counts: async ({ from, to }) => {
    const { rows } = await sql<{
      status: MessageView['status']
      template: string | null
      day: string | null
      count: number
    }>`
      SELECT status, template, to_char(day, 'YYYY-MM-DD') AS day, count(*)::integer AS count
      FROM (SELECT status, template, date_trunc('day', created_at, 'UTC') AT TIME ZONE 'UTC' AS day FROM notifications
            WHERE created_at >= ${from} AND created_at < ${to}) AS message
      GROUP BY GROUPING SETS ((status), (status, template), (status, day))
      ORDER BY day, template, status`.execute(db)
    return rows
  },

  latencies: async ({ from, to }, shares) => {
    const { rows } = await sql<{ seconds: (number | null)[] | null }>`
      SELECT percentile_cont(${shares}::float8[]) WITHIN GROUP (
        ORDER BY extract(epoch FROM settled_at - created_at)::float8) AS seconds
      FROM notifications
      WHERE created_at >= ${from} AND created_at < ${to} AND status = 'sent'`.execute(db)
    return shares.map((_share, at) => rows[0]?.seconds?.[at] ?? null)
  },

  queueAges: async () => {
    const oldest = (urgent: boolean) => sql<number>`coalesce((
      SELECT extract(epoch FROM now() - next_attempt_at)::float8 FROM notifications
      WHERE status = 'queued' AND urgent = ${sql.lit(urgent)} AND next_attempt_at <= now()
      ORDER BY next_attempt_at LIMIT 1), 0)`
    const { rows } = await sql<{ urgent: number; normal: number }>`
      SELECT ${oldest(true)} AS urgent, ${oldest(false)} AS normal`.execute(db)
    return rows[0] ?? { urgent: 0, normal: 0 }
  },

  usersOf: async (email) => {
    const rows = await db.selectFrom('contacts').select('user_id').where('email', '=', email).limit(20).execute()
    return rows.map((row) => row.user_id)
  },
})
