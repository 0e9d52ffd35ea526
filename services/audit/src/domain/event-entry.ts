import { type Json, uuidOf } from '@ashlar/kernel'
import type { Envelope } from '@ashlar/platform/events'
import { contextOf } from './change-entry.ts'
import type { Draft, EntryActor, PersonalField, Values } from './entry.ts'
import { indexable } from './storable.ts'

/** Which entity an event is about, and which of its fields are personal. */
export type EventRule = {
  entity: string
  entityId: string
  /** Field with the id of the person. */
  person?: string
  personal?: readonly string[]
  /** The person acted: a sign-in is sent before there is a signed-in caller. */
  byPerson?: boolean
}

/** Turns an event of the bus into the entry that tells of it; its data stand in `after`, its type in `source.table`. */
export const entryOfEvent = (service: string, rule: EventRule, event: Envelope): Draft => {
  const data = (event.data ?? {}) as Record<string, Json>
  const person = textIn(data, rule.person)
  const told = actorOf(event.actor)
  const actor: EntryActor =
    rule.byPerson && person !== undefined && told?.type !== 'user'
      ? { type: 'user', id: person }
      : (told ?? { type: 'service', id: service })
  const [ip, userAgent] = [textIn(data, 'ipAddress'), textIn(data, 'userAgent')]
  return {
    id: uuidOf(JSON.stringify([event.source, event.id])),
    service,
    entity: rule.entity,
    entityId: indexable(textIn(data, rule.entityId) ?? event.subject),
    action: 'event',
    before: null,
    after: data as Values,
    changed: Object.keys(data).sort(),
    actor: { type: indexable(actor.type), id: indexable(actor.id) },
    context: contextOf({
      requestId: event.correlationid,
      traceparent: event.traceparent,
      ip,
      userAgent,
      reason: textIn(data, 'reason'),
    }),
    source: { epoch: event.source, lsn: null, txid: null, table: event.type, commitTime: event.time },
    personal: person === undefined ? [] : personalFields(rule, person),
    keys: [],
    traceparent: event.traceparent,
  }
}

const textIn = (data: Record<string, Json>, field: string | undefined): string | undefined => {
  const value = field === undefined ? undefined : data[field]
  return typeof value === 'string' ? value : undefined
}

/** Where the event came from is the person's too, whoever the actor is. */
const personalFields = (rule: EventRule, person: string): PersonalField[] => [
  ...(rule.personal ?? []).map((field) => ({ part: 'after' as const, field, person: indexable(person) })),
  { part: 'context', field: 'ip', person: indexable(person) },
  { part: 'context', field: 'userAgent', person: indexable(person) },
]

/** The actor of an envelope, `<type>:<id>`; undefined where it names none. */
const actorOf = (text: string | undefined): EntryActor | undefined => {
  const colon = text?.indexOf(':') ?? -1
  return text === undefined || colon < 1 ? undefined : { type: text.slice(0, colon), id: text.slice(colon + 1) }
}
