import { type ExecutionContext, parseActor, serviceContext } from '../context/index.ts'
import type { Envelope } from '../events/index.ts'
import type { PlatformTx, UnitOfWork } from '../postgres/index.ts'
import type { Runtime, ServiceName } from '../runtime/index.ts'
import type { Bus, Subscription } from './bus.ts'

/** The context in which an event is handled: its request, its trace in a new span, and who caused it. */
export const eventContext = (service: string, event: Envelope): ExecutionContext =>
  serviceContext(service, {
    requestId: event.correlationid,
    traceparent: event.traceparent,
    actor: event.actor === undefined ? undefined : parseActor(event.actor),
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
      runtime.context.run(eventContext(service, event), () =>
        unitOfWork(
          async (tx) => {
            // Waits while another transaction handles the same event, so two can never both do it.
            if (await tx.inbox.first(name, event.id)) await handle(event, tx)
          },
          { subscription: name, eventId: event.id },
        ),
      ),
  })
