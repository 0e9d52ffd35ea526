import { CompiledQuery } from 'kysely'
import type { Added, NewNotification, Rate } from '../../application/ports.ts'
import type { Db } from './schema.ts'

/**
 * One statement, because it stands in the transaction of every event: it looks for a suppression, takes a slot of the
 * rate, and writes the message and its content, or nothing where the message is there already.
 *
 * A slot is taken on the row of the address and template, whose lock puts parallel takers in line; so exactly
 * `waiting` messages can wait. Where a look without the lock says that all slots are taken, that stays true: slots
 * only move on. Times are the clock's, not the transaction's: who waited for the lock came later.
 */
const ADD = `
WITH asked AS (
  SELECT
    EXISTS (SELECT 1 FROM suppressions WHERE address_hash = $6) AS suppressed,
    EXISTS (SELECT 1 FROM notifications
            WHERE trigger_id = $2 AND recipient = $5 AND channel = 'email' AND template = $3) AS duplicate,
    EXISTS (SELECT 1 FROM mail_rates
            WHERE address_hash = $6 AND template = $3
              AND next_at > clock_timestamp() + make_interval(secs => $15::float8 * $16::float8)) AS full_up
), slot AS (
  INSERT INTO mail_rates AS rate (address_hash, template, next_at)
  SELECT $6, $3, clock_timestamp() + make_interval(secs => $15::float8) FROM asked
  WHERE NOT (suppressed OR duplicate OR full_up OR $7::boolean OR $15::float8 = 0)
  ON CONFLICT (address_hash, template) DO UPDATE SET
    admitted = rate.next_at <= clock_timestamp() + make_interval(secs => $15::float8 * $16::float8),
    next_at = CASE
      WHEN rate.next_at <= clock_timestamp() + make_interval(secs => $15::float8 * $16::float8)
      THEN greatest(rate.next_at, clock_timestamp()) + make_interval(secs => $15::float8)
      ELSE rate.next_at END
  RETURNING admitted, next_at - make_interval(secs => $15::float8) AS at
), decided AS (
  SELECT slot.at,
    CASE WHEN suppressed THEN 'address_suppressed'
         WHEN NOT $7::boolean AND $15::float8 > 0 AND (full_up OR NOT coalesce(admitted, true)) THEN 'rate_limited'
    END AS refused
  FROM asked LEFT JOIN slot ON true WHERE NOT duplicate
), added AS (
  INSERT INTO notifications (id, trigger_id, channel, template, template_version, user_id, recipient, urgent, message_id,
                             status, reason, request_id, traceparent, next_attempt_at, deadline_at, settled_at)
  SELECT $1, $2, 'email', $3, coalesce($14::integer, (SELECT max(version) FROM templates WHERE name = $3)), $4, $5, $7, $8,
    CASE WHEN refused IS NULL THEN 'queued' ELSE 'suppressed' END,
    coalesce(refused, CASE WHEN at > clock_timestamp() + interval '1 second' THEN 'rate_limited' END),
    $9, $10, greatest(coalesce(at, now()), now()), now() + make_interval(secs => $11::float8),
    CASE WHEN refused IS NOT NULL THEN now() END
  FROM decided
  ON CONFLICT ON CONSTRAINT notifications_once DO NOTHING
  RETURNING id, status, reason
), content AS (
  INSERT INTO notification_contents (notification_id, sealed, format, address_hash, expires_at)
  SELECT id, $12, 2, $6, $13 FROM added WHERE status = 'queued'
)
SELECT status, reason FROM added`

export const addNotification = async (db: Db, message: NewNotification, rate: Rate): Promise<Added> => {
  const { rows } = await db.executeQuery(
    CompiledQuery.raw(ADD, [
      message.id,
      message.triggerId,
      message.template,
      message.userId,
      message.recipient,
      message.addressHash,
      message.urgent,
      message.messageId,
      message.requestId,
      message.traceparent,
      message.deadlineSeconds,
      message.sealed,
      message.expiresAt,
      message.templateVersion,
      rate.seconds,
      rate.waiting,
    ]),
  )
  const [added] = rows as { status: string; reason: string | null }[]
  if (!added) return { outcome: 'duplicate' }
  return added.status === 'queued' ? { outcome: 'queued' } : { outcome: 'suppressed', reason: added.reason ?? '' }
}
