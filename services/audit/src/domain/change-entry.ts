import { canonicalJson, type Json } from '@ashlar/kernel'
import type { Change } from '@ashlar/platform/cdc'
import type { Draft, EntryActor, EntryContext, PersonalField, Values } from './entry.ts'
import { indexable, storable } from './storable.ts'

/** What a transaction said about itself, as the parts of an entry; the same objects for all of its changes. */
export type Attribution = { actor: EntryActor; context: EntryContext; traceparent: string | undefined }

/** Reads the context of a change, once for all changes that share it. */
export const createAttribution = (): ((change: Change) => Attribution) => {
  const snapshot = attributionOf({ actor: { type: 'service', id: 'audit' } })
  const unknown = attributionOf(UNKNOWN)
  let last: { context: unknown; attribution: Attribution } | undefined
  return ({ operation, context }) => {
    if (operation === 'snapshot') return snapshot
    if (typeof context !== 'object' || context === null) return unknown
    if (last?.context !== context) last = { context, attribution: attributionOf(readContext(context)) }
    return last.attribution
  }
}

const attributionOf = (told: Told): Attribution => ({
  actor: told.actor,
  context: contextOf(told),
  traceparent: told.traceparent,
})

/** Turns a captured change into the entry that tells of it. */
export const entryOfChange = (
  service: string,
  epoch: string,
  change: Change,
  { actor, context, traceparent }: Attribution = createAttribution()(change),
): Draft => {
  const { table, before, after } = change
  const entityId = (after ?? before)?.[table.entityId]
  return {
    id: change.id,
    service,
    entity: table.entity,
    entityId: entityId === undefined || entityId === null ? null : indexable(textOf(entityId)),
    action: change.operation,
    before,
    after,
    changed: changedFields(change.operation === 'update' ? (before ?? {}) : before, after, table.primaryKey),
    actor,
    context,
    source: { epoch, lsn: change.lsn, txid: change.txid, table: table.name, commitTime: change.commitTime },
    personal: [
      ...personalFields(change, 'before', before),
      ...personalFields(change, 'after', after),
      ...personalContext(actor, change),
    ],
    keys: [table.entityId, ...table.primaryKey],
    traceparent,
  }
}

const textOf = (value: Json): string => (typeof value === 'string' ? value : canonicalJson(value))

/**
 * Fields whose values differ. Where there is one side only (insert, delete) all of it; where the old side is known in
 * part (a classified table) every other field but the key may have changed.
 */
export const changedFields = (before: Values | null, after: Values | null, key: readonly string[] = []): string[] => {
  if (!before && after) return Object.keys(after).sort()
  if (!after || !before) return Object.keys(before ?? {}).sort()
  const partial = Object.keys(before).length < Object.keys(after).length
  return Object.keys(after)
    .filter((field) =>
      partial && !(field in before) ? !key.includes(field) : differs(before[field] ?? null, after[field] ?? null),
    )
    .sort()
}

const differs = (one: Json, other: Json): boolean =>
  typeof one === 'object' && typeof other === 'object' && one !== null && other !== null
    ? canonicalJson(one) !== canonicalJson(other)
    : one !== other

const personalFields = ({ table }: Change, part: 'before' | 'after', values: Values | null): PersonalField[] => {
  if (!values || table.personal.length === 0) return []
  const owner = table.person === null ? null : values[table.person]
  // Without a known person the entity itself gets the key, so that its fields can be erased all the same.
  const person =
    typeof owner === 'string' && owner !== '' ? owner : `${table.entity}:${textOf(values[table.entityId] ?? null)}`
  return table.personal.filter((field) => field in values).map((field) => ({ part, field, person: indexable(person) }))
}

/**
 * Address and browser of a user are personal too, and go when he goes. Who signs up, confirms an address or signs in
 * has not said yet who he is: there they are those of the person whose row it is.
 */
const personalContext = (actor: EntryActor, change: Change): PersonalField[] => {
  const person = actor.type === 'user' ? actor.id : actor.type === 'anonymous' ? personOf(change) : undefined
  return person === undefined
    ? []
    : [
        { part: 'context', field: 'ip', person },
        { part: 'context', field: 'userAgent', person },
      ]
}

const personOf = ({ table, before, after }: Change): string | undefined => {
  const column = table.person ?? (table.entity === 'user' ? table.entityId : undefined)
  const person = column === undefined ? undefined : (after ?? before)?.[column]
  return typeof person === 'string' && person !== '' ? indexable(person) : undefined
}

type Told = {
  actor: EntryActor
  requestId?: string
  traceparent?: string
  ip?: string
  userAgent?: string
  reason?: string
}

const UNKNOWN: Told = { actor: { type: 'database', id: 'unknown' } }

/** Reads the transaction's context message, whoever wrote it: only texts are taken, all else is as if not said. */
const readContext = (content: unknown): Told => {
  if (typeof content !== 'object' || content === null) return UNKNOWN
  const { actor, requestId, traceparent, ip, userAgent, reason, clientAddress, applicationName } = content as Record<
    string,
    unknown
  >
  if (typeof actor !== 'object' || actor === null) return UNKNOWN
  const { type, id } = actor as Record<string, unknown>
  if (typeof type !== 'string' || typeof id !== 'string') return UNKNOWN
  return {
    actor: { type: indexable(type), id: indexable(id) },
    requestId: text(requestId),
    traceparent: text(traceparent),
    ip: text(ip) ?? text(clientAddress),
    // A client that names itself nothing has said nothing.
    userAgent: text(userAgent) ?? (text(applicationName) || undefined),
    reason: text(reason),
  }
}

/** W3C Trace Context: version, trace id, parent id, flags. */
const TRACE_ID = /^[0-9a-f]{2}-([0-9a-f]{32})-/

const text = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined)

export const contextOf = (told: Omit<Told, 'actor'>): EntryContext => ({
  requestId: told.requestId === undefined ? null : indexable(told.requestId),
  traceId: TRACE_ID.exec(told.traceparent ?? '')?.[1] ?? null,
  ip: told.ip === undefined ? null : storable(told.ip),
  userAgent: told.userAgent === undefined ? null : storable(told.userAgent),
  reason: told.reason === undefined ? null : storable(told.reason),
})
