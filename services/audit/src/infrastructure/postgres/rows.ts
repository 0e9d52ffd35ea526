import { type RawBuilder, type Selectable, sql } from 'kysely'
import type { Checkpoint } from '../../domain/checkpoint.ts'
import type { Entry } from '../../domain/entry.ts'
import type { AuditDatabase } from './database.ts'

type EntryRow = Omit<Selectable<AuditDatabase['entries']>, 'recorded_at' | 'before' | 'after'> & {
  recorded_at: string
  before: unknown
  after: unknown
}

/** Six digits, as they were hashed: a Date holds three. */
export const recordedAt: RawBuilder<string> = sql`to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`

export const ENTRY_COLUMNS = [
  'id',
  'chain',
  'sequence',
  'service',
  'entity',
  'entity_id',
  'action',
  'before',
  'after',
  'changed',
  'actor',
  'context',
  'source',
  'previous_hash',
  'hash',
] as const

/** Trusts nothing: a row that was tampered with must come out as it is, to be found. */
export const toEntry = (row: EntryRow): Entry => ({
  id: row.id,
  chain: row.chain,
  sequence: Number(row.sequence),
  service: row.service,
  entity: row.entity,
  entityId: row.entity_id,
  action: row.action as Entry['action'],
  before: row.before as Entry['before'],
  after: row.after as Entry['after'],
  changed: row.changed as string[],
  actor: row.actor as Entry['actor'],
  context: row.context as Entry['context'],
  source: row.source as Entry['source'],
  recordedAt: row.recorded_at,
  previousHash: row.previous_hash,
  hash: row.hash,
})

export const toCheckpoint = (row: Selectable<AuditDatabase['checkpoints']>): Checkpoint => ({
  chain: row.chain,
  number: Number(row.number),
  from: Number(row.from_sequence),
  to: Number(row.to_sequence),
  hash: row.hash,
  witnessHash: row.witness_hash,
  previous: row.previous,
  at: row.at,
  key: row.key,
  signature: row.signature,
  witness: row.witness.toString('base64'),
})
