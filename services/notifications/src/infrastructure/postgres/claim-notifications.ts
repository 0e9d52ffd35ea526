import { CompiledQuery } from 'kysely'
import type { Claim, NotificationRepository, PutOff, Rate } from '../../application/ports.ts'
import type { Db } from './schema.ts'

/**
 * Of the due messages of one address and template the first is taken, if the one before it was taken a slot ago or was
 * itself (a try after a try). Usually slots see to that; this holds it after a pause of the process, or of the mail
 * server. A twentieth of a slot, at most a second, is forgiven: no look comes on the dot. A message whose deadline has
 * passed needs no slot: it is only taken to be settled.
 */
const CLAIM = `
WITH due AS (
  SELECT id, template, reason, next_attempt_at, deadline_at FROM notifications
  WHERE status = 'queued' AND urgent = $1 AND next_attempt_at <= now()
  ORDER BY next_attempt_at LIMIT $2 FOR UPDATE SKIP LOCKED
), placed AS (
  SELECT due.id, due.template, due.reason, content.sealed, content.format, content.address_hash, content.expires_at,
    NOT $1::boolean AND $5::float8 > 0 AND content.address_hash IS NOT NULL AND due.deadline_at > now() AS rated,
    row_number() OVER (PARTITION BY content.address_hash, due.template ORDER BY due.next_attempt_at, due.id) AS place
  FROM due LEFT JOIN notification_contents content ON content.notification_id = due.id
), held AS (
  INSERT INTO mail_rates AS rate (address_hash, template, next_at, held_by, held_at)
  SELECT address_hash, template, now() + make_interval(secs => $5::float8), id, now()
  FROM placed WHERE rated AND place = 1 ORDER BY address_hash, template
  ON CONFLICT (address_hash, template) DO UPDATE SET
    held_by = excluded.held_by, held_at = excluded.held_at, next_at = greatest(rate.next_at, excluded.next_at)
  WHERE rate.held_at IS NULL OR rate.held_by = excluded.held_by
     OR rate.held_at <= clock_timestamp() - make_interval(secs => $5::float8 - least(1, $5::float8 / 20))
  RETURNING held_by
), claimed AS (
  UPDATE notifications SET
    status = 'sending', reason = NULL, attempts = attempts + 1,
    claimed_by = $3, claimed_at = now(), claim_until = now() + make_interval(secs => $4::float8)
  FROM placed
  WHERE notifications.id = placed.id AND (NOT placed.rated OR placed.id IN (SELECT held_by FROM held))
  RETURNING notifications.id, template_version, message_id, attempts, created_at, request_id, traceparent, user_id,
    (extract(epoch FROM least(deadline_at, placed.expires_at) - now()) * 1000)::float8 AS remaining_ms
)
SELECT placed.id, placed.template, placed.reason, placed.sealed, placed.format, placed.address_hash,
  claimed.template_version, claimed.message_id, claimed.attempts, claimed.created_at, claimed.request_id,
  claimed.traceparent, claimed.remaining_ms,
  EXISTS (SELECT 1 FROM suppressions WHERE address_hash = placed.address_hash) AS suppressed,
  EXISTS (SELECT 1 FROM contacts WHERE contacts.user_id = claimed.user_id AND email IS NULL) AS erased
FROM placed LEFT JOIN claimed ON claimed.id = placed.id
ORDER BY placed.place, placed.id`

type Row = {
  id: string
  template: string
  reason: string | null
  sealed: Buffer | null
  format: number | null
  address_hash: string | null
  template_version: number | null
  message_id: string
  attempts: number
  created_at: Date
  request_id: string
  traceparent: string
  remaining_ms: number
  suppressed: boolean
  erased: boolean
}

export const claimNotifications = async (
  db: Db,
  { owner, urgent, limit, leaseSeconds, rate }: Parameters<NotificationRepository['claim']>[0],
): Promise<{ claims: Claim[]; putOff: PutOff[] }> => {
  const { rows } = await db.executeQuery(CompiledQuery.raw(CLAIM, [urgent, limit, owner, leaseSeconds, rate.seconds]))
  const claims: Claim[] = []
  const putOff: PutOff[] = []
  for (const row of rows as Row[]) {
    if (row.template_version !== null) claims.push(toClaim(row, row.template_version))
    else if (row.address_hash) putOff.push({ id: row.id, template: row.template, addressHash: row.address_hash })
  }
  return { claims, putOff }
}

const toClaim = (row: Row, templateVersion: number): Claim => ({
  id: row.id,
  template: row.template,
  templateVersion,
  messageId: row.message_id,
  attempt: row.attempts,
  createdAt: row.created_at,
  remainingMs: Number(row.remaining_ms),
  requestId: row.request_id,
  traceparent: row.traceparent,
  waitedFor: row.reason,
  addressHash: row.address_hash,
  addressSuppressed: row.suppressed,
  recipientErased: row.erased,
  content: row.sealed === null ? undefined : { sealed: row.sealed, format: row.format ?? 1 },
})

/**
 * A message that is early because the one before it was late waits for the rest of that slot. One whose slot was taken
 * by another gets a new one behind all that wait, in the order in which they are given here.
 */
const POSTPONE = `
WITH late AS (
  SELECT given.id, given.address_hash, given.template, rate.held_at,
    rate.held_at < message.next_attempt_at AS early,
    row_number() OVER (
      PARTITION BY given.address_hash, given.template, rate.held_at < message.next_attempt_at ORDER BY place) AS place
  FROM unnest($1::uuid[], $2::text[], $3::text[]) WITH ORDINALITY AS given (id, address_hash, template, place)
  JOIN notifications message ON message.id = given.id
  JOIN mail_rates rate ON rate.address_hash = given.address_hash AND rate.template = given.template
), counted AS (
  SELECT address_hash, template, count(*) AS messages FROM late
  WHERE NOT early OR place > 1 GROUP BY address_hash, template
), moved AS (
  UPDATE mail_rates rate SET next_at =
    greatest(rate.next_at, rate.held_at + make_interval(secs => $4::float8), now())
    + make_interval(secs => $4::float8 * messages)
  FROM counted WHERE rate.address_hash = counted.address_hash AND rate.template = counted.template
  RETURNING rate.address_hash, rate.template, rate.next_at, messages
)
UPDATE notifications SET reason = 'rate_limited', next_attempt_at = CASE
  WHEN early AND place = 1 THEN late.held_at + make_interval(secs => $4::float8)
  ELSE moved.next_at - make_interval(secs => $4::float8 * (messages - place + 1)) END
FROM late LEFT JOIN moved ON moved.address_hash = late.address_hash AND moved.template = late.template
WHERE notifications.id = late.id`

export const postponeNotifications = async (db: Db, putOff: readonly PutOff[], { seconds }: Rate): Promise<void> => {
  // One order for all, so that two processes with the same addresses never wait for each other.
  const sorted = [...putOff].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : keyOf(a) > keyOf(b) ? 1 : 0))
  await db.executeQuery(
    CompiledQuery.raw(POSTPONE, [
      sorted.map(({ id }) => id),
      sorted.map(({ addressHash }) => addressHash),
      sorted.map(({ template }) => template),
      seconds,
    ]),
  )
}

const keyOf = ({ addressHash, template }: PutOff): string => `${addressHash} ${template}`
