import { refreshReused, sessionRevoked, userLogin, userLoginFailed } from '@ashlar/auth/contract'
import { type Bus, consume, deadLetterDiscarded, type Subscription } from '@ashlar/platform/bus'
import type { PlatformTx, UnitOfWork } from '@ashlar/platform/postgres'
import type { Runtime } from '@ashlar/platform/runtime'
import type { ChainWriter } from '../application/chain-writer.ts'
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
  [deadLetterDiscarded.type]: { entity: 'dead_letter', entityId: 'eventId' },
}

export type EventsOptions = {
  bus: Bus
  unitOfWork: UnitOfWork<PlatformTx>
  runtime: Runtime
  writer: ChainWriter
}

/**
 * The entry is stored by the chain's one writer, before the inbox row commits: when the event comes again in between,
 * the writer knows its id.
 */
export const subscribeToEvents = ({ bus, unitOfWork, runtime, writer }: EventsOptions): Promise<Subscription> =>
  consume({
    bus,
    unitOfWork,
    runtime,
    service: 'audit',
    name: 'audit.events',
    types: Object.keys(rules),
    handle: async (event) => {
      const rule = rules[event.type]
      if (rule) await writer.append([entryOfEvent(serviceOf(event.source), rule, event)])
    },
  })

/** The last part of `/<installation>/<tenant>/<service>`. */
const serviceOf = (source: string): string => source.slice(source.lastIndexOf('/') + 1)
