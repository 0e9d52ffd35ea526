import { refreshReused, sessionRevoked, userDeleted, userLogin, userLoginFailed } from '@ashlar/auth/contract'
import { type Bus, consume, deadLetterDiscarded, type Subscription } from '@ashlar/platform/bus'
import type { PlatformTx, UnitOfWork } from '@ashlar/platform/postgres'
import type { Runtime } from '@ashlar/platform/runtime'
import type { ChainWriter } from '../application/chain-writer.ts'
import type { ErasePerson } from '../application/commands/erase-person.ts'
import { type EventRule, entryOfEvent } from '../domain/event-entry.ts'

/** What happened without a row that changed, or whose row does not say it: these enter the trail from the bus. */
const rules: Record<string, EventRule> = {
  [userLogin.type]: {
    entity: 'session',
    entityId: 'sessionId',
    person: 'userId',
    personal: ['email', 'ipAddress', 'userAgent'],
    byPerson: true,
  },
  [userLoginFailed.type]: { entity: 'user', entityId: 'identifierHash' },
  [sessionRevoked.type]: { entity: 'session', entityId: 'sessionId', person: 'userId' },
  [refreshReused.type]: { entity: 'session', entityId: 'sessionId', person: 'userId', personal: ['ipAddress'] },
  [userDeleted.type]: { entity: 'user', entityId: 'userId' },
  [deadLetterDiscarded.type]: { entity: 'dead_letter', entityId: 'eventId' },
}

/** What this service listens to, by the name of the subscription. */
export const auditHears = { 'audit.events': Object.keys(rules) } as const

export type EventsOptions = {
  bus: Bus
  unitOfWork: UnitOfWork<PlatformTx>
  runtime: Runtime
  writer: ChainWriter
  erasePerson: ErasePerson
}

/**
 * The entry is stored by the chain's one writer, before the inbox row commits: when the event comes again in between,
 * the writer knows its id.
 */
export const subscribeToEvents = ({
  bus,
  unitOfWork,
  runtime,
  writer,
  erasePerson,
}: EventsOptions): Promise<Subscription> =>
  consume({
    bus,
    unitOfWork,
    runtime,
    service: 'audit',
    name: 'audit.events',
    types: auditHears['audit.events'],
    handle: async (event) => {
      const rule = rules[event.type]
      if (!rule) return
      const entry = entryOfEvent(serviceOf(event.source), rule, event)
      await writer.append([entry])
      // Before the inbox row commits as well: a stop in between makes the event come again, and a repeat harms nothing.
      if (event.type !== userDeleted.type || entry.entityId === null) return
      const { requestId, traceId } = entry.context
      await erasePerson({
        person: entry.entityId,
        writer,
        context: { requestId, traceId, ip: null, userAgent: null, reason: event.type },
      })
    },
  })

/** The last part of `/<installation>/<tenant>/<service>`. */
const serviceOf = (source: string): string => source.slice(source.lastIndexOf('/') + 1)
