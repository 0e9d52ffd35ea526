import type { Broadcast } from '../broadcast/index.ts'
import { serviceContext } from '../context/index.ts'
import type { Runtime } from '../runtime/index.ts'

/** What access tokens are told by. Sequences are given out in the order of commits: whoever has seen one has seen all before it. */
export type Revocation = {
  sequence: number
  /** After this moment no token that it could concern is alive. */
  expiresAt: Date
} & (
  | { kind: 'revoked'; sessionId: string }
  /** Tokens of the session with lower rights than this version are stale. */
  | { kind: 'stale'; sessionId: string; rightsVersion: number }
  /** Tokens that name the role and know of no change of roles up to this sequence are stale, whoever holds them. */
  | { kind: 'role'; role: string }
)

/** What a token says of its rights. `rolesVersion`: the newest change of one of its roles that it knows of. */
export type TokenRights = { sessionId: string; rightsVersion: number; roles: readonly string[]; rolesVersion: number }

/** The channel on which the process that wrote revocations tells the others. */
export const REVOCATIONS_CHANNEL = 'auth.revocations'

export type RevocationSet = {
  /** Takes the snapshot, throwing where it cannot; then keeps up until `stop`. */
  start(): Promise<void>
  stop(): Promise<void>
  /** True once a snapshot was taken: before it, nothing is known about any session. */
  ready(): boolean
  apply(rows: readonly Revocation[]): void
  verdict(token: TokenRights): 'revoked' | 'stale' | undefined
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
  /** How often what concerns no living token any more is forgotten. */
  pruneEveryMs?: number
}

type SessionEntry = { revoked: boolean; rightsVersion: number; goneAtMs: number }
type RoleEntry = { sequence: number; goneAtMs: number }

/**
 * The sessions whose access tokens must not pass, in memory. Guarantee: what this process revoked is in force once
 * `publish` on the channel resolved; what another one revoked, within `pullEveryMs` and a query. Memory is bounded
 * by the revocations of one token's life.
 */
export const createRevocationSet = (options: RevocationSetOptions): RevocationSet => {
  const { load, broadcast, runtime, pullEveryMs = 500, maxAgeMs = 1_000, pruneEveryMs = 30_000 } = options
  const log = runtime.logger('auth')
  const sessions = new Map<string, SessionEntry>()
  const roles = new Map<string, RoleEntry>()
  let cursor = 0
  let pulledAt = Number.NEGATIVE_INFINITY
  let prunedAt = performance.now()
  let pending: Promise<void> | undefined
  let failing = false
  let subscription: { stop(): Promise<void> } | undefined

  const apply = (rows: readonly Revocation[]): void => {
    for (const row of rows) {
      if (row.kind === 'role') {
        const known = roles.get(row.role)
        roles.set(row.role, {
          sequence: Math.max(row.sequence, known?.sequence ?? 0),
          goneAtMs: Math.max(row.expiresAt.getTime(), known?.goneAtMs ?? 0),
        })
        continue
      }
      const known = sessions.get(row.sessionId)
      sessions.set(row.sessionId, {
        revoked: row.kind === 'revoked' || known?.revoked === true,
        rightsVersion: Math.max(row.kind === 'stale' ? row.rightsVersion : 0, known?.rightsVersion ?? 0),
        goneAtMs: Math.max(row.expiresAt.getTime(), known?.goneAtMs ?? 0),
      })
    }
  }

  const prune = (): void => {
    if (performance.now() - prunedAt < pruneEveryMs) return
    prunedAt = performance.now()
    const nowMs = runtime.clock.now().getTime()
    for (const [sessionId, entry] of sessions) if (entry.goneAtMs <= nowMs) sessions.delete(sessionId)
    for (const [role, entry] of roles) if (entry.goneAtMs <= nowMs) roles.delete(role)
  }

  // The cursor moves here only: rows that came by broadcast are read once more, so a lost one leaves no gap.
  const pullOnce = async (): Promise<void> => {
    const startedAt = performance.now()
    let { rows, lastSequence } = await load(cursor)
    // A head behind the cursor is a restored store; its sequences mean other rows.
    if (lastSequence < cursor) {
      ;({ rows, lastSequence } = await load(0))
      roles.clear()
    }
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

  const verdict: RevocationSet['verdict'] = (token) => {
    const session = sessions.get(token.sessionId)
    if (session?.revoked) return 'revoked'
    if (session !== undefined && token.rightsVersion < session.rightsVersion) return 'stale'
    // Hardly ever is one remembered, so a request pays nothing for them.
    if (roles.size === 0) return undefined
    return token.roles.some((role) => token.rolesVersion < (roles.get(role)?.sequence ?? 0)) ? 'stale' : undefined
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
    isRevoked: (sessionId) => sessions.get(sessionId)?.revoked === true,
    refresh: async () => {
      if (performance.now() - pulledAt > maxAgeMs) await pull()
    },
  }
}
