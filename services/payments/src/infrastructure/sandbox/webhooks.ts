import type { Clock } from '@ashlar/kernel'
import { createTicker } from '@ashlar/platform/runtime'
import type { Logger } from '@ashlar/platform/telemetry'
import type { Kysely } from 'kysely'
import { claimDeliveries, type Delivery, delivered, failed } from './deliveries.ts'
import { SIGNATURE_HEADER, sign } from './signature.ts'
import type { SandboxDatabase } from './tables.ts'

export type WebhookOptions = {
  /** Where they go, e.g. `http://localhost:3000/payments/webhooks/sandbox`. */
  url: string
  secret: string
  /** How often due ones are looked for (1,000). */
  pollMs?: number
}

type Deps = WebhookOptions & { db: Kysely<SandboxDatabase>; clock: Clock; log: Logger }

const AT_ONCE = 20
const SEND_LIMIT_MS = 5_000

/** Sends what was announced, at least once each, in no order; a receiver that is away gets them when it is back. */
export const createWebhookSender = ({ url, secret, pollMs = 1_000, db, clock, log }: Deps) => {
  let stopping = new AbortController()

  const send = async (delivery: Delivery): Promise<void> => {
    const body = Buffer.from(delivery.body)
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'user-agent': 'ashlar-sandbox',
          [SIGNATURE_HEADER]: sign(secret, clock.now(), body),
        },
        body,
        redirect: 'error',
        signal: AbortSignal.any([AbortSignal.timeout(SEND_LIMIT_MS), stopping.signal]),
      })
      await response.body?.cancel()
      if (response.ok) return await delivered(db, delivery.event_id)
      await failed(db, delivery, `answered ${response.status}`)
    } catch (error) {
      await failed(db, delivery, String(error))
    }
  }

  const ticker = createTicker({
    everyMs: pollMs,
    immediately: true,
    work: async () => {
      for (let taken = AT_ONCE; taken === AT_ONCE && !stopping.signal.aborted; ) {
        const due = await claimDeliveries(db, AT_ONCE)
        await Promise.all(due.map(send))
        taken = due.length
      }
    },
    onError: (error) => log.debug({ err: error }, 'webhooks of the sandbox wait for their store'),
  })
  return {
    start: (): void => {
      stopping = new AbortController()
      ticker.start()
    },
    /** Cuts off what is being sent: it is sent again after the next start. */
    stop: async (): Promise<void> => {
      stopping.abort()
      await ticker.stop()
    },
  }
}
