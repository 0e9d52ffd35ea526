export { type Canonical, CANONICAL_SESSION, canonicalFor } from './values.ts'
export { type Catalogue, loadCatalogue } from './catalogue.ts'
export { CONTEXT_PREFIX } from './decoder.ts'
export { type ChangeIdentity, changeId, uuidOf } from './identity.ts'
export { canonicalJson, type Json, parseExactJson } from './json.ts'
export { formatLsn, type Lsn, parseLsn } from './lsn.ts'
export { peekChanges } from './peek.ts'
export { type ChangeReader, createChangeReader, type ReaderOptions } from './reader.ts'
export { dropSlot, judgeSlot, readSlot, type Slot, type SlotVerdict } from './slot.ts'
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
  Values
} from './types.ts'
export { microTime } from './wire.ts'
