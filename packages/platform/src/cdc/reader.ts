import { setTimeout as sleep } from 'node:timers/promises'
import { openSession } from './connection.ts'
import { formatLsn, type Lsn } from './lsn.ts'
import { runSession, type SessionState } from './session.ts'
import { readSlot } from './slot.ts'
import type { ChangeOwner, ReaderLog, ReaderStatus } from './types.ts'

export type ReaderOptions = {
  /** Role with REPLICATION and SELECT on the audited tables and on `ashlar.tables`. */
  url: string
  slot: string
  publication: string
  owner: ChangeOwner
  log: ReaderLog
  /** Rows stored at once. Default 1,000. */
  batchRows?: number
  /** Or this much of the stream, whichever comes first. Default 4 MiB. */
  batchBytes?: number
  /** The socket is paused beyond this much that is read and not stored. Default 8 MiB. */
  highWaterBytes?: number
  /** Idle log is given back after this time or amount. Defaults 10 s, 16 MiB. */
  idleMs?: number
  idleBytes?: number
  /** How often the server is told the stored position and asked for its own. Default 5 s. */
  statusMs?: number
  /** A connection on which nothing was heard for this long is cut. Default 30 s. */
  silentMs?: number
  retryMinMs?: number
  retryMaxMs?: number
  now?: () => number
}

export type ChangeReader = {
  /** Returns at once. `ready` resolves when the slot exists and reading goes on from it. */
  start(): void
  ready(): Promise<void>
  status(): ReaderStatus
  /** Asks the server how much log it keeps for the slot; the answer shows in `status`. */
  probe(): Promise<void>
  /** Stores what is complete, gives the connection back. The slot stays. */
  stop(): Promise<void>
}

/**
 * Reads the changes of one database from its logical replication slot and hands them to the owner in commit order, at
 * least once. The server is only ever told positions that the owner has stored, so whatever stops here (the process,
 * the store, the connection) is read again. Reconnects by itself, with a backoff, for ever.
 */
export const createChangeReader = (options: ReaderOptions): ChangeReader => {
  const now = options.now ?? Date.now
  const state: SessionState = {
    phase: 'stopped',
    received: 0n,
    stored: 0n,
    heardAt: now(),
    pendingSince: undefined,
    queuedBytes: () => 0,
    error: undefined,
  }
  const { retryMinMs = 100, retryMaxMs = 5000 } = options
  let stopping: AbortController | undefined
  let running: Promise<void> | undefined
  let retained: { bytes: number; share: number | undefined } | undefined
  const waiters: (() => void)[] = []

  const onStreaming = () => {
    for (const resolve of waiters.splice(0)) resolve()
  }

  const run = async (signal: AbortSignal) => {
    let delayMs = retryMinMs
    while (!signal.aborted) {
      const began: Lsn = state.stored
      try {
        state.phase = 'connecting'
        await runSession({ ...withDefaults(options), now, state, signal, onStreaming })
      } catch (error) {
        if (signal.aborted) break
        const { message } = error as Error
        // The slot stays taken for a moment after its reader was cut off.
        const level = /is active for PID/.test(message) ? 'info' : 'warn'
        options.log[level]({ slot: options.slot, error: message, delayMs }, 'Change stream interrupted')
        state.error = message
      }
      state.phase = 'connecting'
      if (state.stored > began) delayMs = retryMinMs
      await sleep(delayMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {})
      delayMs = Math.min(delayMs * 2, retryMaxMs)
    }
    state.phase = 'stopped'
  }

  return {
    start() {
      if (stopping) return
      stopping = new AbortController()
      running = run(stopping.signal)
    },
    ready: () =>
      state.phase === 'streaming' ? Promise.resolve() : new Promise<void>((resolve) => void waiters.push(resolve)),
    status: () => ({
      state: state.phase,
      lagSeconds: state.pendingSince === undefined ? 0 : Math.max(0, (now() - state.pendingSince) / 1000),
      silentSeconds: Math.max(0, (now() - state.heardAt) / 1000),
      retainedBytes: retained?.bytes,
      retainedShare: retained?.share,
      queuedBytes: state.queuedBytes(),
      received: formatLsn(state.received),
      stored: formatLsn(state.stored),
      error: state.error,
    }),
    async probe() {
      const client = await openSession(options.url, `${options.slot} probe`)
      try {
        const slot = await readSlot(client, options.slot)
        // What a slot that is gone or lost should have kept is not kept at all.
        retained =
          slot && !slot.lost ? { bytes: slot.retainedBytes, share: slot.retainedShare } : { bytes: 0, share: 1 }
      } finally {
        await client.end().catch(() => {})
      }
    },
    async stop() {
      stopping?.abort()
      await running
      stopping = undefined
    },
  }
}

const withDefaults = (options: ReaderOptions) => ({
  url: options.url,
  slot: options.slot,
  publication: options.publication,
  owner: options.owner,
  log: options.log,
  batchRows: options.batchRows ?? 1000,
  batchBytes: options.batchBytes ?? 4 * 1024 * 1024,
  highWaterBytes: options.highWaterBytes ?? 8 * 1024 * 1024,
  idleMs: options.idleMs ?? 10_000,
  idleBytes: BigInt(options.idleBytes ?? 16 * 1024 * 1024),
  statusMs: options.statusMs ?? 5000,
  silentMs: options.silentMs ?? 30_000,
})
