export type { Catalogue } from './catalogue.ts'
export type { ChangeIdentity } from './identity.ts'
export type { Lsn } from './lsn.ts'
export { type ChangeReader, createChangeReader, type ReaderOptions } from './reader.ts'
export type { Slot, SlotVerdict } from './slot.ts'
export type {
  AuditedTable,
  Change,
  ChangeOwner,
  Gap,
  GapReason,
  Operation,
  Position,
  ReaderLog,
  ReaderState,
  ReaderStatus,
  Values,
} from './types.ts'
export type { Canonical } from './values.ts'
