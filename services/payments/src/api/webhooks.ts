import { type Clock, err, ok, type Result } from '@ashlar/kernel'
import type { ContextStore } from '@ashlar/platform/context'
import type { ReceiveEvent } from '../application/commands/receive-event.ts'
import type { WebhookReader } from '../application/provider.ts'

export type ReceiveWebhook = (webhook: {
  provider: string
  headers: Parameters<WebhookReader>[0]['headers']
  rawBody: Buffer
}) => Promise<Result<void, 'not_found' | 'signature_invalid'>>

type Deps = {
  /** By the name of the provider; one that is not here sends no webhooks. */
  readers: ReadonlyMap<string, WebhookReader>
  receiveEvent: ReceiveEvent
  clock: Clock
  context: ContextStore
}

/** Takes a webhook from the wire. What it changes was done by the provider that signed it. */
export const receiveWebhook =
  ({ readers, receiveEvent, clock, context }: Deps): ReceiveWebhook =>
  async ({ provider, headers, rawBody }) => {
    const read = readers.get(provider)
    if (!read) return err('not_found')
    const event = read({ headers, rawBody, now: clock.now() })
    if (!event.ok) return event
    const heard = event.value
    if (heard)
      await context.run({ ...context.current(), actor: { type: 'provider', id: provider } }, () => receiveEvent(heard))
    return ok(undefined)
  }
