import { type NewEvent, toEnvelope } from '../events/index.ts'
import type { Statement, Statements } from '../postgres/statement.ts'
import type { Runtime, ServiceName } from '../runtime/index.ts'

/** Events written in the same transaction as the state they tell of. */
export type Outbox = { append(...events: NewEvent[]): Promise<void> }

/** Which events a subscription has handled; the row commits together with the effects. */
export type Inbox = {
  /** True the first time. False when the event was handled before; waits for a transaction that handles it now. */
  first(subscription: string, eventId: string): Promise<boolean>
}

/** An event on its way through a subscription, as the inbox knows it. */
export type HandledEvent = { subscription: string; eventId: string }

/** The outbox of one transaction. `flush` answers what writes down what was appended: the transaction's last statements. */
export type PendingOutbox = Outbox & { flush(): readonly Statement[] }

/**
 * Lock the aggregate's row before the transaction ends: the ids are given with its COMMIT, so the order of events of
 * one aggregate is the order of its locks. Sent together with COMMIT, the rows cost no round trip of their own.
 */
export const createOutbox = ({ runtime, service }: { runtime: Runtime; service: ServiceName }): PendingOutbox => {
  const inserts: Statement[] = []
  let flushed = false
  return {
    append: async (...events) => {
      if (flushed) throw new Error('the transaction of this outbox has ended: a promise was not awaited')
      for (const event of events) {
        const envelope = toEnvelope(runtime, service, event)
        inserts.push({ text: INSERT, values: [envelope.id, JSON.stringify(envelope)] })
      }
    },
    flush: () => {
      flushed = true
      return inserts
    },
  }
}

const INSERT = 'INSERT INTO outbox (event_id, envelope) VALUES ($1, $2)'

/** `begunWith`: asked of together with BEGIN, whoever waits for the answer. */
export const createInbox = (statements: Statements, begunWith?: HandledEvent): Inbox => {
  const record = async ({ subscription, eventId }: HandledEvent): Promise<boolean> =>
    (await statements.ask(RECORD, [subscription, eventId])).length === 1
  let open = begunWith && { ...begunWith, isFirst: record(begunWith) }
  // Where it fails, what is asked next fails too.
  open?.isFirst.catch(() => undefined)
  return {
    first: async (subscription, eventId) => {
      if (open?.subscription !== subscription || open.eventId !== eventId) return record({ subscription, eventId })
      const { isFirst } = open
      // Asked again, it was handled before: by whoever asked first.
      open = undefined
      return isFirst
    },
  }
}

const RECORD = 'INSERT INTO inbox (subscription, event_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true'
