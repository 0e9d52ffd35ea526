import { uuidOf } from '@ashlar/kernel'
import type { Draft, EntryContext } from './entry.ts'

/** The id of the entry that tells of a person's erasure: one per person, so a repeat is known. */
export const erasureId = (person: string): string => uuidOf(JSON.stringify(['erasure', person]))

/**
 * Tells that the key of a person is destroyed. Written before that happens: a key that is gone without this entry was
 * taken away by somebody else.
 */
export const erasureEntry = (person: string, at: Date, context: EntryContext): Draft => ({
  id: erasureId(person),
  service: 'audit',
  entity: 'user',
  entityId: person,
  action: 'event',
  before: null,
  after: { erased: 'personal fields in every entry of this person' },
  changed: ['erased'],
  actor: { type: 'service', id: 'audit' },
  context,
  source: { epoch: 'audit', lsn: null, txid: null, table: 'person.erased', commitTime: at.toISOString() },
  personal: [],
  keys: [],
})
