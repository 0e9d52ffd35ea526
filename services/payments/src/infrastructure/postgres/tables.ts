import type { ColumnType, Generated } from 'kysely'
import type { Attempt } from '../../domain/attempt.ts'
import type { Account, Movement } from '../../domain/ledger.ts'
import type { PaymentMethod, PaymentStatus } from '../../domain/payment.ts'
import type { RefundStatus } from '../../domain/refund.ts'

/** The columns as the migrations make them; minor units and versions never pass through a float. */
export type PaymentsDatabase = {
  payments: {
    transaction_id: string
    user_id: string
    amount_minor: bigint
    exponent: number
    currency: string
    method: PaymentMethod
    status: PaymentStatus
    refunded_minor: bigint
    refund_pending_minor: bigint
    description: string | null
    metadata: ColumnType<Record<string, unknown>, string, string>
    failure_code: string | null
    failure_message: string | null
    attempts: number
    version: number
    created_at: Date
    updated_at: Date
  }
  attempts: {
    id: string
    transaction_id: string
    request_key: string
    outcome: Attempt['outcome']
    reference: string | null
    started_at: Date
    settled_at: Date | null
    posted: Generated<boolean>
  }
  refunds: {
    id: string
    transaction_id: string
    user_id: string
    amount_minor: bigint
    exponent: number
    currency: string
    status: RefundStatus
    reason: string | null
    failure_code: string | null
    failure_message: string | null
    request_key: string
    created_at: Date
    updated_at: Date
    posted: Generated<boolean>
  }
  postings: {
    transaction_id: string
    movement_id: string
    account: Account
    kind: Movement['kind']
    amount_minor: bigint
    currency: string
    posted_at: Date
    digest: Buffer
  }
  provider_events: {
    provider: string
    event_id: string
    received_at: Generated<Date>
  }
  payment_sources: {
    transaction_id: string
    sealed: Buffer
    changed_at: Generated<Date>
  }
  attempt_leases: {
    attempt_id: string
    kind: 'charge' | 'refund'
    transaction_id: string
    owner: string
    leased_until: Date
    look_at: Date
    looks: Generated<number>
    started_at: Generated<Date>
    request_id: string
    traceparent: string
  }
}
