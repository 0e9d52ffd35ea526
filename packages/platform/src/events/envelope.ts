import { isUuid } from '@ashlar/kernel'
import { type ExecutionContext, formatActor } from '../context/index.ts'
import type { Runtime } from '../runtime/index.ts'
import type { Envelope, NewEvent } from './event.ts'

/** Completes an event with who, when and within which request, from the context that runs now. */
export const toEnvelope = (runtime: Runtime, service: string, event: NewEvent): Envelope => {
  const context = runtime.context.current()
  return {
    specversion: '1.0',
    id: runtime.newId(),
    source: runtime.names.source(service),
    type: event.type,
    subject: event.subject,
    time: runtime.clock.now().toISOString(),
    datacontenttype: 'application/json',
    dataschema: `urn:ashlar:event:${event.type}`,
    data: event.data,
    correlationid: context.requestId,
    traceparent: runtime.tracing.on ? producerSpan(runtime, service, event, context) : context.traceparent,
    ...(event.sequence === undefined ? {} : { sequence: event.sequence }),
    actor: formatActor(context.actor),
  }
}

/** Whoever handles the event is a child of the span in which it was written down. */
const producerSpan = (
  runtime: Runtime,
  service: string,
  event: NewEvent,
  { traceparent }: ExecutionContext,
): string => {
  const span = runtime.tracing.start(`send ${event.type}`, {
    kind: 'producer',
    parent: traceparent,
    attributes: {
      'messaging.system': 'ashlar',
      'messaging.operation.type': 'send',
      'messaging.operation.name': 'append',
      'messaging.destination.name': event.type,
      'ashlar.service': service,
    },
  })
  span.end()
  return span.traceparent
}

/** Has what the bus files an event by: who reads it further checks the data with the event's own schema. */
export const isEnvelope = (value: unknown): value is Envelope => {
  if (typeof value !== 'object' || value === null) return false
  const { id, source, type, subject, correlationid, traceparent } = value as Partial<Envelope>
  return (
    typeof id === 'string' &&
    isUuid(id) &&
    [source, type, subject, correlationid, traceparent].every((text) => typeof text === 'string' && text !== '')
  )
}
