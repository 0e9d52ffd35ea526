import type { Generated, GeneratedAlways, Kysely } from 'kysely'
import type { Status } from '../../domain/delivery.ts'
import type { TemplateNeeds, TemplateOrigin } from '../../domain/template.ts'
import type { RecordedStep } from '../../domain/timeline.ts'

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
    claimed_at: Date | null
    claim_until: Date | null
    settled_at: Date | null
  }
  notification_contents: {
    notification_id: string
    sealed: Buffer
    format: Generated<number>
    address_hash: string | null
    expires_at: Date | null
    created_at: Generated<Date>
  }
  notification_steps: {
    notification_id: string
    number: GeneratedAlways<bigint>
    step: RecordedStep['step']
    attempt: number | null
    reason: string | null
    began_at: Date | null
    handed_at: Date | null
    at: Generated<Date>
  }
  contacts: {
    user_id: string
    email: string | null
    first_name: string | null
    last_name: string | null
    updated_at: Generated<Date>
  }
  templates: {
    name: string
    version: number
    subject: string
    html: string
    text: string
    variables: TemplateNeeds
    origin: TemplateOrigin
    created_at: Generated<Date>
  }
  suppressions: {
    id: string
    address_hash: string
    sealed: Buffer | null
    source: 'bounce' | 'operator'
    created_at: Generated<Date>
  }
  mail_rates: {
    address_hash: string
    template: string
    next_at: Date
    admitted: Generated<boolean>
    held_by: string | null
    held_at: Date | null
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
