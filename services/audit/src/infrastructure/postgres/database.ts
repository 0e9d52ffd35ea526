import type { Generated } from 'kysely'

/** The tables of the trail as the driver gives them. */
export type AuditDatabase = {
  entries: {
    id: string
    chain: string
    sequence: bigint
    service: string
    entity: string
    entity_id: string | null
    action: string
    before: unknown
    after: unknown
    changed: unknown
    actor: unknown
    context: unknown
    source: unknown
    recorded_at: Date
    previous_hash: string
    hash: string
  }
  sealed_fields: { entry_id: string; person: string; sealed: Buffer }
  person_keys: { person: string; wrapped: Buffer | null; created_at: Generated<Date>; erased_at: Date | null }
  checkpoints: {
    chain: string
    number: bigint
    from_sequence: bigint
    to_sequence: bigint
    hash: string
    witness_hash: string
    previous: string
    at: string
    key: string
    signature: string
    witness: Buffer
  }
  entry_places: { id: string; chain: string; sequence: bigint }
  trail_months: { name: string; lower: Date; upper: Date; segment: unknown }
  positions: { chain: string; epoch: string; lsn: string; phase: string; updated_at: Generated<Date> }
}
