import { hash } from 'node:crypto'
import { canonicalJson, type Json } from '@ashlar/kernel'

export type Action = 'insert' | 'update' | 'delete' | 'truncate' | 'event' | 'snapshot' | 'gap'

export type Values = Record<string, Json>

export type EntryActor = { type: string; id: string }

export type EntryContext = {
  requestId: string | null
  traceId: string | null
  /** A commitment where the actor is a user. */
  ip: Json
  userAgent: Json
  reason: string | null
}

export type EntrySource = {
  /** System identifier and timeline of the database; for events the CloudEvents source. */
  epoch: string
  lsn: string | null
  txid: number | null
  /** Table, or type of the event. */
  table: string | null
  commitTime: string
}

/** One line of the trail. Times are RFC 3339 in UTC with six digits. */
export type Entry = {
  id: string
  chain: string
  /** From 1, without holes, per chain. */
  sequence: number
  service: string
  entity: string
  entityId: string | null
  action: Action
  before: Values | null
  after: Values | null
  /** Names of the fields that differ between `before` and `after`. */
  changed: string[]
  actor: EntryActor
  context: EntryContext
  source: EntrySource
  /** Grows strictly within a chain, so that the order of time is the order of the chain. */
  recordedAt: string
  previousHash: string
  hash: string
}

/** A field that must not outlive its person: where it stands, and under whose key its value is kept. */
export type PersonalField = { part: 'before' | 'after' | 'context'; field: string; person: string }

/** What is known of an entry before it has its place in a chain. */
export type Draft = Omit<Entry, 'chain' | 'sequence' | 'recordedAt' | 'previousHash' | 'hash'> & {
  personal: PersonalField[]
  /** Fields that tell which row it was; kept whatever their length. */
  keys: readonly string[]
  /** W3C header of the span that caused the change; not part of the entry. */
  traceparent?: string
}

/** What the first entry of every chain follows. */
export const GENESIS = '0'.repeat(64)

/** The canonical texts of the parts of an entry that are values, made once for the hash and for the store. */
export type Texts = Record<'action' | 'actor' | 'after' | 'before' | 'changed' | 'context' | 'source', string>

export const textsOf = (entry: Pick<Entry, keyof Texts>): Texts => ({
  action: JSON.stringify(entry.action),
  actor: canonicalJson(entry.actor),
  after: canonicalJson(entry.after),
  before: canonicalJson(entry.before),
  changed: canonicalJson(entry.changed),
  context: canonicalJson(entry.context),
  source: canonicalJson(entry.source),
})

/** The same for many entries: parts that are one and the same object, as in a large transaction, are written once. */
export const createTextsOf = (): typeof textsOf => {
  const known = new WeakMap<object, string>()
  const once = (part: object): string => {
    let text = known.get(part)
    if (text === undefined) {
      text = canonicalJson(part)
      known.set(part, text)
    }
    return text
  }
  return (entry) => ({
    action: `"${entry.action}"`,
    actor: once(entry.actor),
    after: canonicalJson(entry.after),
    before: canonicalJson(entry.before),
    changed: once(entry.changed),
    context: once(entry.context),
    source: canonicalJson(entry.source),
  })
}

/**
 * SHA-256, in hex, of the canonical JSON of everything in the entry but the hash itself. Put together from its parts
 * in the order of the sorted keys.
 */
export const hashOf = (entry: Omit<Entry, 'hash'>, texts: Texts = textsOf(entry)): string => {
  const { action, actor, after, before, changed, context, source } = texts
  const { chain, entity, entityId, id, previousHash, recordedAt, sequence, service } = entry
  const text =
    `{"action":${action},"actor":${actor},"after":${after},"before":${before},"chain":${JSON.stringify(chain)}` +
    `,"changed":${changed},"context":${context},"entity":${JSON.stringify(entity)}` +
    `,"entityId":${JSON.stringify(entityId)},"id":${JSON.stringify(id)}` +
    `,"previousHash":${JSON.stringify(previousHash)},"recordedAt":${JSON.stringify(recordedAt)}` +
    `,"sequence":${sequence},"service":${JSON.stringify(service)},"source":${source}}`
  return hash('sha256', text, 'hex')
}

/** A draft with the texts it will be hashed from. */
export type WrittenDraft = { draft: Draft; texts: Texts }

/** An entry in its place, with the texts it was hashed from. */
export type Link = { entry: Entry; texts: Texts }
