import type { Generated, GeneratedAlways, Kysely } from 'kysely'
import type { Status } from '../../domain/delivery.ts'

export type NotificationsDatabase = {
  notifications: {
    id: string
    trigger_id: string
    channel: 'email'
    template: string
    template_version: number
    user_id: string | null
    recipient: string
    urgent: boolean
    message_id: string
    status: Status
    reason: string | null
    attempts: Generated<number>
    request_id: string
    traceparent: string
    created_at: Generated<Date>
    next_attempt_at: Generated<Date>
    deadline_at: Date
    claimed_by: string | null
    claim_until: Date | null
    settled_at: Date | null
  }
  notification_contents: { notification_id: string; sealed: Buffer; created_at: Generated<Date> }
  contacts: {
    user_id: string
    email: string | null
    first_name: string | null
    last_name: string | null
    updated_at: Generated<Date>
  }
  mailbox: {
    message_id: string
    id: string
    notification_id: string
    template: string
    to_hash: string
    sealed: Buffer
    hand_overs: Generated<number>
    sent_at: GeneratedAlways<Date>
  }
}

export type Db = Kysely<NotificationsDatabase>
