import { sql } from 'kysely'
import type { Claim, NotificationRepository, OpenMessage } from '../../application/ports.ts'
import type { Db } from './schema.ts'

/** Messages and their claims. All times between instances are the database's. */
export const createNotificationRepository = (db: Db): NotificationRepository => ({
  add: async (notification) => {
    const added = await db
      .insertInto('notifications')
      .values({
        id: notification.id,
        trigger_id: notification.triggerId,
        channel: 'email',
        template: notification.template,
        template_version: notification.templateVersion,
        user_id: notification.userId,
        recipient: notification.recipient,
        urgent: notification.urgent,
        message_id: notification.messageId,
        status: 'queued',
        request_id: notification.requestId,
        traceparent: notification.traceparent,
        deadline_at: sql<Date>`now() + make_interval(secs => ${notification.deadlineSeconds}::double precision)`,
      })
      .onConflict((conflict) => conflict.constraint('notifications_once').doNothing())
      .returning('id')
      .executeTakeFirst()
    return added !== undefined
  },

  hasDue: async (urgent) => {
    const due = await db
      .selectFrom('notifications')
      .select('id')
      .where('status', '=', 'queued')
      .where('urgent', '=', urgent)
      .where('next_attempt_at', '<=', sql<Date>`now()`)
      .limit(1)
      .executeTakeFirst()
    return due !== undefined
  },

  claim: async ({ owner, urgent, limit, leaseSeconds }) => {
    const rows = await db
      .with('due', (with_) =>
        with_
          .selectFrom('notifications')
          .select('id')
          .where('status', '=', 'queued')
          .where('urgent', '=', urgent)
          .where('next_attempt_at', '<=', sql<Date>`now()`)
          .orderBy('next_attempt_at')
          .limit(limit)
          .forUpdate()
          .skipLocked(),
      )
      .updateTable('notifications')
      .from('due')
      .whereRef('notifications.id', '=', 'due.id')
      .set({
        status: 'sending',
        reason: null,
        attempts: sql<number>`attempts + 1`,
        claimed_by: owner,
        claim_until: sql<Date>`now() + make_interval(secs => ${leaseSeconds}::double precision)`,
      })
      .returning([
        'notifications.id',
        'template',
        'message_id',
        'attempts',
        'created_at',
        'request_id',
        'traceparent',
        sql<number>`(extract(epoch FROM deadline_at - now()) * 1000)::double precision`.as('remaining_ms'),
      ])
      .execute()
    return rows.map(
      (row): Claim => ({
        id: row.id,
        template: row.template,
        messageId: row.message_id,
        attempt: row.attempts,
        createdAt: row.created_at,
        remainingMs: Number(row.remaining_ms),
        requestId: row.request_id,
        traceparent: row.traceparent,
      }),
    )
  },

  settle: async (id, owner, verdict) => {
    const again = verdict.status === 'queued'
    const done = await db
      .updateTable('notifications')
      .set({
        status: verdict.status,
        reason: 'reason' in verdict ? verdict.reason : null,
        settled_at: again ? null : sql<Date>`now()`,
        claim_until: null,
        ...(again && {
          claimed_by: null,
          next_attempt_at: sql<Date>`now() + make_interval(secs => ${verdict.delayMs / 1000}::double precision)`,
        }),
      })
      .where('id', '=', id)
      .where('claimed_by', '=', owner)
      // A claim that was given up too early may still be settled by the one who knows how it ended.
      .where('status', 'in', ['sending', 'unknown'])
      .returning('id')
      .executeTakeFirst()
    return done !== undefined
  },

  sending: () => open(db, sql<boolean>`status = 'sending'`, 1_000),

  giveUp: async ({ id, attempts }, status) => {
    const done = await db
      .updateTable('notifications')
      .set({
        status,
        reason: 'claim_lost',
        claim_until: null,
        ...(status === 'unknown'
          ? { settled_at: sql<Date>`now()` }
          : { claimed_by: null, next_attempt_at: sql<Date>`now()` }),
      })
      .where('id', '=', id)
      .where('status', '=', 'sending')
      .where('attempts', '=', attempts)
      .returning('id')
      .executeTakeFirst()
    return done !== undefined
  },

  unknown: ({ quietMs, limit }) =>
    open(
      db,
      sql<boolean>`status = 'unknown' AND settled_at <= now() - make_interval(secs => ${quietMs / 1000}::double precision)`,
      limit,
    ),

  resolve: async ({ id, attempts }, status) => {
    const done = await db
      .updateTable('notifications')
      .set({
        status,
        reason: status === 'sent' ? null : 'not_handed_over',
        settled_at: status === 'sent' ? sql<Date>`now()` : null,
        claimed_by: null,
        ...(status === 'queued' && { next_attempt_at: sql<Date>`now()` }),
      })
      .where('id', '=', id)
      .where('status', '=', 'unknown')
      .where('attempts', '=', attempts)
      .returning('id')
      .executeTakeFirst()
    return done !== undefined
  },
})

const open = async (db: Db, condition: ReturnType<typeof sql<boolean>>, limit: number): Promise<OpenMessage[]> => {
  const rows = await db
    .selectFrom('notifications')
    .select([
      'id',
      'message_id',
      'attempts',
      'claimed_by',
      sql<boolean>`coalesce(claim_until < now(), false)`.as('overdue'),
    ])
    .where(condition)
    .orderBy('settled_at')
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map((row) => ({
    id: row.id,
    messageId: row.message_id,
    attempts: row.attempts,
    claimedBy: row.claimed_by,
    overdue: row.overdue,
  }))
}
