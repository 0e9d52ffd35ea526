import type { Json } from '@ashlar/kernel'

export type Operation = 'insert' | 'update' | 'delete' | 'truncate' | 'snapshot'

/** Column → canonical value. */
export type Values = Record<string, Json>

/** What the source's catalogue says about a table whose changes are captured. */
export type AuditedTable = {
  /** Bare in schema public, else with its schema. */
  name: string
  entity: string
  /** Column that holds the entity's id. */
  entityId: string
  /** Column that holds the id of the person whose key protects the personal columns. */
  person: string | null
  personal: string[]
  /** The captured columns, where not all are. */
  columns: string[] | null
  primaryKey: string[]
}

export type Change = {
  /** UUIDv8 of (epoch, txid, lsn, operation, table, key): the same however often and by whom the change is read. */
  id: string
  operation: Operation
  table: AuditedTable
  /** Values of the primary key in its order; empty for a truncate. */
  key: Json[]
  before: Values | null
  after: Values | null
  /** Position of this change; rows of one COPY share it. */
  lsn: string
  /** Null in a snapshot. */
  txid: number | null
  /** RFC 3339 in UTC with six digits. */
  commitTime: string
  /** Content of the transaction's context message, parsed; null where there was none. */
  context: unknown
}

/** What the owner has stored: everything of `epoch` that was committed before `lsn`. */
export type Position = {
  epoch: string
  lsn: string
  /** `snapshot`: the slot begins at `lsn`, but the rows that were there before are not all stored yet. */
  phase: 'snapshot' | 'stream'
}

export type GapReason = 'slot_missing' | 'slot_lost' | 'slot_advanced' | 'epoch_changed'

/** Changes between `from` and `to` may be missing for ever. */
export type Gap = { reason: GapReason; epoch: string; previousEpoch: string; from: string; to: string }

/** The owner of a reader: where changes go. Each method resolves when the effect is durable and may be repeated. */
export type ChangeOwner = {
  /** Undefined when nothing was ever stored for this source. */
  position(): Promise<Position | undefined>
  /** A hint that these are stored next: what needs no order may begin while the ones before are still being stored. */
  prepare?(changes: readonly Change[]): void
  /** `position`, where given, is stored in the same transaction as the changes. */
  store(changes: readonly Change[], position: Position | undefined): Promise<void>
  /** Records the hole together with the position from which reading starts anew. */
  gap(gap: Gap, position: Position): Promise<void>
}

export type ReaderLog = {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export type ReaderState = 'stopped' | 'connecting' | 'snapshot' | 'streaming'

export type ReaderStatus = {
  state: ReaderState
  /** Age of the oldest committed change that is read but not stored; 0 when all is stored. */
  lagSeconds: number
  /** Since the server was last heard. */
  silentSeconds: number
  /** Log that the server keeps for this reader; undefined until asked once. */
  retainedBytes: number | undefined
  /** Part of the allowed log that is used up, 0 to 1; 1 where the slot is gone; undefined where nothing limits it. */
  retainedShare: number | undefined
  /** Bytes read and not yet stored. */
  queuedBytes: number
  received: string
  stored: string
  /** Last trouble, cleared by progress. */
  error: string | undefined
}
