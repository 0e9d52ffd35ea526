import type { Generated } from 'kysely'

export type SandboxDatabase = {
  operations: {
    attempt_id: string
    kind: 'charge' | 'refund' | 'void'
    transaction_id: string
    amount_minor: bigint
    currency: string
    source: string | null
    /** Null while nothing is booked: the call was received, and hung or was turned away. */
    outcome: 'succeeded' | 'declined' | 'voided' | null
    decline_code: string | null
    decline_message: string | null
    received_count: Generated<number>
    at: Generated<Date>
  }
  deliveries: {
    event_id: string
    attempt_id: string
    transaction_id: string
    body: string
    sends: Generated<number>
    send_at: Date | null
    delivered_at: Date | null
    last_failure: string | null
    created_at: Generated<Date>
  }
}
