import type { Draft, EntryContext } from './entry.ts'
import { indexable } from './storable.ts'

export type ExportRequest = {
  /** Unique: whoever asks twice is told of twice. */
  id: string
  userId: string
  format: string
  filter: Record<string, string | undefined>
  at: Date
  context: EntryContext
}

/** Tells that somebody took a copy of entries with him, and of which. */
export const exportEntry = ({ id, userId, format, filter, at, context }: ExportRequest): Draft => {
  const asked = Object.entries(filter).flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]))
  const after = { format, filter: Object.fromEntries(asked) }
  return {
    id,
    service: 'audit',
    entity: 'trail',
    entityId: 'audit',
    action: 'event',
    before: null,
    after,
    changed: Object.keys(after).sort(),
    actor: { type: 'user', id: indexable(userId) },
    context,
    source: { epoch: 'audit', lsn: null, txid: null, table: 'trail.exported', commitTime: at.toISOString() },
    personal: [
      { part: 'context', field: 'ip', person: indexable(userId) },
      { part: 'context', field: 'userAgent', person: indexable(userId) },
    ],
    keys: [],
  }
}
