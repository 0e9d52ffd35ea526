import { CompiledQuery, sql } from 'kysely'
import type { NotificationRepository, OpenMessage } from '../../application/ports.ts'
import type { Status, Verdict } from '../../domain/delivery.ts'
import { addNotification } from './add-notification.ts'
import { claimNotifications, postponeNotifications } from './claim-notifications.ts'
import type { Db } from './schema.ts'

/** Messages and their claims. All times between instances are the database's. */
export const createNotificationRepository = (db: Db): NotificationRepository => ({
  add: (notification, rate) => addNotification(db, notification, rate),
  claim: (options) => claimNotifications(db, options),
  postpone: (putOff, rate) => postponeNotifications(db, putOff, rate),

  hasDue: async (urgent) => {
    const { rows } = await db.executeQuery(CompiledQuery.raw(HAS_DUE, [urgent]))
    return rows.length > 0
  },

  settle: async (id, owner, verdict, handedMsAgo) => {
    const delayMs = verdict.status === 'queued' ? verdict.delayMs : 0
    const { rows } = await db.executeQuery(
      CompiledQuery.raw(SETTLE, [id, owner, verdict.status, reasonOf(verdict), delayMs, stepOf(verdict), handedMsAgo]),
    )
    return rows.length > 0
  },

  sending: () => open(db, sql<boolean>`status = 'sending'`, 1_000),

  giveUp: ({ id, attempts }, status) =>
    changed(db, GIVE_UP, [id, attempts, status, status === 'unknown' ? 'unknown' : 'requeued']),

  unknown: ({ quietMs, limit }) =>
    open(
      db,
      sql<boolean>`status = 'unknown' AND settled_at <= now() - make_interval(secs => ${quietMs / 1000}::double precision)`,
      limit,
    ),

  resolve: ({ id, attempts }, status) =>
    changed(db, RESOLVE, [
      id,
      attempts,
      status,
      status === 'sent' ? 'sent' : 'requeued',
      status === 'sent' ? 'found_out' : 'not_handed_over',
    ]),

  suppressQueued: async (whose, reason) => {
    const byUser = 'userId' in whose
    const { rows } = await db.executeQuery(
      CompiledQuery.raw(byUser ? SUPPRESS_OF_USER : SUPPRESS_OF_ADDRESS, [
        byUser ? whose.userId : whose.addressHash,
        reason,
      ]),
    )
    return rows.length
  },

  lock: async (id) => {
    const row = await db
      .selectFrom('notifications as n')
      .leftJoin('notification_contents as c', 'c.notification_id', 'n.id')
      .select([
        'n.status',
        sql<boolean>`c.notification_id IS NOT NULL`.as('has_content'),
        sql<boolean>`coalesce(c.expires_at <= now(), false)`.as('expired'),
        sql<boolean>`EXISTS (SELECT 1 FROM suppressions WHERE address_hash = c.address_hash)`.as('suppressed'),
        sql<boolean>`EXISTS (SELECT 1 FROM contacts WHERE contacts.user_id = n.user_id AND email IS NULL)`.as('erased'),
      ])
      .where('n.id', '=', id)
      .forUpdate('n')
      .executeTakeFirst()
    return (
      row && {
        status: row.status,
        hasContent: row.has_content,
        expired: row.expired,
        addressSuppressed: row.suppressed,
        recipientErased: row.erased,
      }
    )
  },

  requeue: async (id, deadlineSeconds) => {
    await db.executeQuery(CompiledQuery.raw(REQUEUE, [id, deadlineSeconds]))
  },
})

const HAS_DUE = `
SELECT 1 FROM notifications WHERE status = 'queued' AND urgent = $1 AND next_attempt_at <= now() LIMIT 1`

// A claim that was given up too early may still be settled by the one who knows how it ended.
const SETTLE = `
WITH settled AS (
  UPDATE notifications SET
    status = $3, reason = $4, claim_until = NULL,
    settled_at = CASE WHEN $3 = 'queued' THEN NULL ELSE now() END,
    claimed_by = CASE WHEN $3 = 'queued' THEN NULL ELSE claimed_by END,
    next_attempt_at = CASE WHEN $3 = 'queued' THEN now() + make_interval(secs => $5::float8 / 1000) ELSE next_attempt_at END
  WHERE id = $1 AND claimed_by = $2 AND status IN ('sending', 'unknown')
  RETURNING id, attempts, claimed_at
)
INSERT INTO notification_steps (notification_id, step, attempt, reason, began_at, handed_at)
SELECT id, $6, attempts, $4, claimed_at,
  CASE WHEN $7::float8 IS NOT NULL THEN greatest(claimed_at, now() - make_interval(secs => $7::float8 / 1000)) END
FROM settled
RETURNING notification_id`

const GIVE_UP = `
WITH lost AS (
  UPDATE notifications SET
    status = $3, reason = 'claim_lost', claim_until = NULL,
    settled_at = CASE WHEN $3 = 'unknown' THEN now() END,
    claimed_by = CASE WHEN $3 = 'unknown' THEN claimed_by END,
    next_attempt_at = CASE WHEN $3 = 'unknown' THEN next_attempt_at ELSE now() END
  WHERE id = $1 AND status = 'sending' AND attempts = $2
  RETURNING id, attempts, claimed_at
)
INSERT INTO notification_steps (notification_id, step, attempt, reason, began_at)
SELECT id, $4, attempts, 'claim_lost', claimed_at FROM lost
RETURNING notification_id`

const RESOLVE = `
WITH resolved AS (
  UPDATE notifications SET
    status = $3, reason = CASE WHEN $3 = 'sent' THEN NULL ELSE $5 END, claimed_by = NULL,
    settled_at = CASE WHEN $3 = 'sent' THEN now() END,
    next_attempt_at = CASE WHEN $3 = 'sent' THEN next_attempt_at ELSE now() END
  WHERE id = $1 AND status = 'unknown' AND attempts = $2
  RETURNING id, attempts
)
INSERT INTO notification_steps (notification_id, step, attempt, reason)
SELECT id, $4, attempts, $5 FROM resolved
RETURNING notification_id`

const suppressWhere = (condition: string): string => `
WITH suppressed AS (
  UPDATE notifications SET status = 'suppressed', reason = $2, settled_at = now()
  WHERE status = 'queued' AND ${condition}
  RETURNING id
)
INSERT INTO notification_steps (notification_id, step, reason) SELECT id, 'suppressed', $2 FROM suppressed
RETURNING notification_id`
const SUPPRESS_OF_USER = suppressWhere('user_id = $1::uuid')
const SUPPRESS_OF_ADDRESS = suppressWhere(
  'id IN (SELECT notification_id FROM notification_contents WHERE address_hash = $1)',
)

// The slot that it held is long over: it goes out with the next look, and the rate holds it up where it must.
const REQUEUE = `
WITH resent AS (
  UPDATE notifications SET
    status = 'queued', reason = 'resent', claimed_by = NULL, claim_until = NULL, settled_at = NULL,
    next_attempt_at = now(), deadline_at = now() + make_interval(secs => $2::float8)
  WHERE id = $1
  RETURNING id, attempts
)
INSERT INTO notification_steps (notification_id, step, attempt) SELECT id, 'resent', attempts FROM resent`

const reasonOf = (verdict: Verdict): string | null => ('reason' in verdict ? verdict.reason : null)
const stepOf = ({ status }: Verdict): Exclude<Status, 'queued' | 'sending'> | 'deferred' =>
  status === 'queued' ? 'deferred' : status

const changed = async (db: Db, text: string, values: readonly unknown[]): Promise<boolean> =>
  (await db.executeQuery(CompiledQuery.raw(text, [...values]))).rows.length > 0

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
