import type { Envelope } from '../events/index.ts'

/** Moves events between services: durable, at least once, in order per subject. */
export type Bus = {
  /** Resolves once the events are durable. The same id twice is harmless. Throws DependencyUnavailable: publish again. */
  publish(envelopes: readonly Envelope[]): Promise<void>
  /**
   * A named reader with a position of its own; a new one begins with the oldest event that is kept. Events of one
   * subject are handled one after the other, those of different subjects in parallel (`concurrency`, 16). A handler
   * that throws is tried again with growing delays; meanwhile later events of that subject wait, others flow. After
   * the last try the event is a dead letter, and its subject waits until it is redriven or discarded.
   * Of several readers with one name, in one process or in many, one is active and the others stand by.
   */
  subscribe(options: SubscribeOptions): Promise<Subscription>
  deadLetters: DeadLetters
  ping(): Promise<void>
  /** Stops all subscriptions of this bus first. */
  close(): Promise<void>
}

export type SubscribeOptions = {
  name: string
  /** Events of other types are passed over. */
  types: readonly string[]
  /** May see an event again after a crash: its effects are made once by the inbox (`consume`). */
  handle: (event: Envelope) => Promise<void>
  concurrency?: number
  /** A handler that takes longer has failed, as if it had thrown; whatever it still does is not waited for (60,000). */
  timeoutMs?: number
}

export type Subscription = {
  /** Takes no further event, waits for those being handled, and saves the position. */
  stop(): Promise<void>
}

/** An event that could not be handled, and that its subject's later events wait for. */
export type DeadLetter = {
  /** `<subscription>:<event id>` */
  id: string
  subscription: string
  event: Envelope
  attempts: number
  error: string
  firstFailedAt: Date
  deadAt: Date
  /** Later events of the same subject that wait behind it. */
  waiting: number
}

export type DeadLetters = {
  /** Oldest first. */
  list(): Promise<DeadLetter[]>
  /** Tries again, with all tries anew, and what waits behind in order; answers how many. One that is being tried again counts 0. */
  redrive(id: string | 'all'): Promise<number>
  /**
   * Gives the event up, so that its subject goes on, and publishes `dead_letter.discarded` in the same transaction.
   * Throws when there is no such dead letter. Runs inside an execution context: somebody did it.
   */
  discard(id: string, reason: string): Promise<void>
}

/** How often an event is handed to its handler before it is a dead letter, and the pauses between. */
export type RetryPolicy = {
  tries: number
  /** Before the second try, the third, …; the last one is used for all further ones. Each is spread by ±20 %. */
  delaysMs: readonly number[]
}

/** Six tries within about a minute. */
export const DEFAULT_RETRY: RetryPolicy = { tries: 6, delaysMs: [1_000, 3_000, 8_000, 16_000, 30_000] }

/** The pause after the `attempts`-th failure, or undefined when that was the last try. */
export const delayAfter = (policy: RetryPolicy, attempts: number, random: () => number): number | undefined => {
  if (attempts >= policy.tries) return undefined
  const delay = policy.delaysMs[Math.min(attempts, policy.delaysMs.length) - 1] ?? 0
  return Math.round(delay * (0.8 + 0.4 * random()))
}
