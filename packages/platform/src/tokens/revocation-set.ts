import type { Broadcast } from '../broadcast/index.ts'
import { serviceContext } from '../context/index.ts'
import type { Runtime } from '../runtime/index.ts'

/** What a session's access tokens are told by: `revoked` ends it, `stale` asks for a refresh of older rights. */
export type Revocation = {
  /** Given out in the order of commits: whoever has seen one has seen all before it. */
  sequence: number
  sessionId: string
  kind: 'revoked' | 'stale'
  /** For `stale`: tokens of a lower version are stale. */
  rightsVersion: number
  /** After this moment no token that it could concern is alive. */
  expiresAt: Date
}

/** The channel on which the process that wrote revocations tells the others. */
export const REVOCATIONS_CHANNEL = 'auth.revocations'

export type RevocationSet = {
  /** Takes the snapshot, throwing where it cannot; then keeps up until `stop`. */
  start(): Promise<void>
  stop(): Promise<void>
  /** True once a snapshot was taken: before it, nothing is known about any session. */
  ready(): boolean
  apply(rows: readonly Revocation[]): void
  verdict(sessionId: string, rightsVersion: number): 'revoked' | 'stale' | undefined
  isRevoked(sessionId: string): boolean
  /** Returns at once while what is known is recent; asks otherwise, and throws where nobody answers. */
  refresh(): Promise<void>
}

export type RevocationSetOptions = {
  load: (sinceSequence: number) => Promise<{ rows: Revocation[]; lastSequence: number }>
  broadcast: Broadcast
  runtime: Runtime
  /** The floor under the broadcast: what it lost, or what another process wrote, is known after this time. */
  pullEveryMs?: number
  /** Knowledge older than this is not answered from. */
  maxAgeMs?: number
}

type Entry = { revoked: boolean; rightsVersion: number; goneAtMs: number }

const PRUNE_EVERY_MS = 30_000

/**
 * The sessions whose access tokens must not pass, in memory. Guarantee: what this process revoked is in force once
 * `publish` on the channel resolved; what another one revoked, within `pullEveryMs` and a query. Memory is bounded
 * by the revocations of one token's life.
 */
export const createRevocationSet = (options: RevocationSetOptions): RevocationSet => {
  const { load, broadcast, runtime, pullEveryMs = 500, maxAgeMs = 1_000 } = options
  const log = runtime.logger('auth')
  const entries = new Map<string, Entry>()
  let cursor = 0
  let pulledAt = Number.NEGATIVE_INFINITY
  let prunedAt = performance.now()
  let pending: Promise<void> | undefined
  let failing = false
  let subscription: { stop(): Promise<void> } | undefined

  const apply = (rows: readonly Revocation[]): void => {
    for (const { sessionId, kind, rightsVersion, expiresAt } of rows) {
      const known = entries.get(sessionId)
      entries.set(sessionId, {
        revoked: kind === 'revoked' || known?.revoked === true,
        rightsVersion: Math.max(kind === 'stale' ? rightsVersion : 0, known?.rightsVersion ?? 0),
        goneAtMs: Math.max(expiresAt.getTime(), known?.goneAtMs ?? 0),
      })
    }
  }

  const prune = (): void => {
    if (performance.now() - prunedAt < PRUNE_EVERY_MS) return
    prunedAt = performance.now()
    const nowMs = runtime.clock.now().getTime()
    for (const [sessionId, entry] of entries) if (entry.goneAtMs <= nowMs) entries.delete(sessionId)
  }

  // The cursor moves here only: rows that came by broadcast are read once more, so a lost one leaves no gap.
  const pullOnce = async (): Promise<void> => {
    const startedAt = performance.now()
    let { rows, lastSequence } = await load(cursor)
    // A head behind the cursor is a restored store; its sequences mean other rows.
    if (lastSequence < cursor) ({ rows, lastSequence } = await load(0))
    apply(rows)
    cursor = lastSequence
    pulledAt = startedAt
    prune()
  }

  const pull = (): Promise<void> => {
    pending ??= runtime.context.run(serviceContext('auth'), pullOnce).finally(() => {
      pending = undefined
    })
    return pending
  }

  // Nothing is answered from old knowledge meanwhile: `refresh` asks, and throws.
  const heal = async (): Promise<void> => {
    try {
      await pull()
      if (failing) log.info('revocations are known again')
      failing = false
    } catch (error) {
      if (!failing) log.warn({ err: error }, 'revocations cannot be read')
      failing = true
    }
  }

  const verdict: RevocationSet['verdict'] = (sessionId, rightsVersion) => {
    const entry = entries.get(sessionId)
    if (!entry) return undefined
    if (entry.revoked) return 'revoked'
    return rightsVersion < entry.rightsVersion ? 'stale' : undefined
  }

  return {
    start: async () => {
      subscription = await broadcast.subscribe(REVOCATIONS_CHANNEL, {
        onMessage: (message) => apply(message as Revocation[]),
        heal,
        healEveryMs: pullEveryMs,
      })
      if (pulledAt === Number.NEGATIVE_INFINITY) await pull()
    },
    stop: async () => {
      await subscription?.stop()
      await pending?.catch(() => undefined)
    },
    ready: () => pulledAt > Number.NEGATIVE_INFINITY,
    apply,
    verdict,
    isRevoked: (sessionId) => entries.get(sessionId)?.revoked === true,
    refresh: async () => {
      if (performance.now() - pulledAt > maxAgeMs) await pull()
    },
  }
}
