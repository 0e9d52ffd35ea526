import { type ExecutionContext, parseActor } from '../context/index.ts'
import type { Envelope } from '../events/index.ts'
import type { PlatformTx, UnitOfWork } from '../postgres/index.ts'
import type { Runtime, ServiceName } from '../runtime/index.ts'
import { inSpan } from '../telemetry/index.ts'
import type { Bus, Subscription } from './bus.ts'

/** The context in which an event is handled: its request, its trace in a new span, and who caused it. */
const eventContext = (service: string, event: Envelope, traceparent: string): ExecutionContext => ({
  requestId: event.correlationid,
  traceparent,
  actor: (event.actor === undefined ? undefined : parseActor(event.actor)) ?? { type: 'service', id: service },
})

const consumerSpan = (service: string, subscription: string, event: Envelope) => ({
  kind: 'consumer' as const,
  parent: event.traceparent,
  attributes: {
    'messaging.system': 'ashlar',
    'messaging.operation.type': 'process',
    'messaging.operation.name': 'handle',
    'messaging.destination.name': event.type,
    'messaging.message.id': event.id,
    'messaging.consumer.group.name': subscription,
    'ashlar.service': service,
  },
})

export type ConsumeOptions<Tx extends PlatformTx> = {
  bus: Bus
  unitOfWork: UnitOfWork<Tx>
  runtime: Runtime
  service: ServiceName
  name: string
  types: readonly string[]
  handle: (event: Envelope, tx: Tx) => Promise<unknown>
  concurrency?: number
  timeoutMs?: number
}

/**
 * Subscribes with effects that happen once: the handler's writes and the row in the inbox are one transaction, and an
 * event that has its row is passed over. What the handler does outside of `tx` may happen again.
 */
export const consume = <Tx extends PlatformTx>({
  bus,
  unitOfWork,
  runtime,
  service,
  name,
  types,
  handle,
  concurrency,
  timeoutMs,
}: ConsumeOptions<Tx>): Promise<Subscription> =>
  bus.subscribe({
    name,
    types,
    concurrency,
    timeoutMs,
    handle: (event) =>
      inSpan(runtime.tracing, `process ${event.type}`, consumerSpan(service, name, event), (traceparent) =>
        runtime.context.run(eventContext(service, event, traceparent), () =>
          unitOfWork(
            async (tx) => {
              // Waits while another transaction handles the same event, so two can never both do it.
              if (await tx.inbox.first(name, event.id)) await handle(event, tx)
            },
            { subscription: name, eventId: event.id },
          ),
        ),
      ),
  })
