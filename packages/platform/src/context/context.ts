import { AsyncLocalStorage } from 'node:async_hooks'
import { uuidv7 } from '@ashlar/kernel'
import { newTraceparent } from './trace.ts'

/** Who does it. `database` is what the change stream says of SQL that came past the program. */
export type Actor = { type: 'user' | 'anonymous' | 'service' | 'cli' | 'provider' | 'database'; id: string }

/** What every log line, event and audit entry of one request, event or loop turn has in common. */
export type ExecutionContext = {
  requestId: string
  /** W3C header of the span that works now. */
  traceparent: string
  actor: Actor
  ip?: string
  userAgent?: string
  /** Why, in the words of the one who did it. */
  reason?: string
}

export type ContextStore = {
  /** Throws outside `run`: a write without a context would be one that nobody did. */
  current(): ExecutionContext
  find(): ExecutionContext | undefined
  run<T>(context: ExecutionContext, work: () => T): T
}

export const createContextStore = (): ContextStore => {
  const storage = new AsyncLocalStorage<ExecutionContext>()
  return {
    current: () => {
      const context = storage.getStore()
      if (!context) throw new Error('no execution context: this work must run inside context.run()')
      return context
    },
    find: () => storage.getStore(),
    run: (context, work) => storage.run(context, work),
  }
}

/** For work that no request asked for: loops, relays, timers; and for what an event asked for, with `from` its origin. */
export const serviceContext = (
  service: string,
  from: { requestId?: string; traceparent?: string; actor?: Actor } = {},
): ExecutionContext => ({
  requestId: from.requestId ?? uuidv7(),
  // Unsampled: loops that look for work many times a second would fill every collector with traces of nothing.
  // Work that somebody else began goes on in his span: an id of its own would name a span that nobody ever exports.
  traceparent: from.traceparent ?? newTraceparent(false),
  actor: from.actor ?? { type: 'service', id: service },
})

const ACTOR_TYPES: readonly string[] = ['user', 'anonymous', 'service', 'cli', 'provider', 'database']

/** The one-word form that an event carries: `user:0193…`. */
export const formatActor = (actor: Actor): string => `${actor.type}:${actor.id}`

/** The inverse of `formatActor`; undefined for what it never wrote. */
export const parseActor = (text: string): Actor | undefined => {
  const colon = text.indexOf(':')
  const type = text.slice(0, Math.max(colon, 0))
  return ACTOR_TYPES.includes(type) ? { type: type as Actor['type'], id: text.slice(colon + 1) } : undefined
}
