import { setTimeout as sleep } from 'node:timers/promises'
import { type Launch, launch, type Postmaster } from './postmaster.ts'
import type { ClusterState } from './types.ts'

export type Supervisor = {
  readonly state: ClusterState
  readonly pid: number | undefined
  onState(listener: (state: ClusterState) => void): () => void
  stop(): Promise<void>
}

const LONGEST_PAUSE_MS = 10_000
const STEADY_MS = 60_000

/**
 * Keeps the server running: when it ends unasked it is started again on the same port, at once the first time,
 * then with growing pauses until it has stayed up for a minute. Each doubling of the failures is logged, not each.
 */
export const supervise = (first: Postmaster, options: Launch): Supervisor => {
  const listeners = new Set<(state: ClusterState) => void>()
  const stopping = new AbortController()
  let state: ClusterState = 'ready'
  let current: Postmaster | undefined = first

  const change = (next: ClusterState): void => {
    if (state === next) return
    state = next
    for (const listener of listeners) {
      try {
        listener(next)
      } catch (error) {
        options.log.error({ err: error }, 'a listener of the PostgreSQL state failed')
      }
    }
  }

  const keep = async (): Promise<void> => {
    let failures = 0
    let upSince = Date.now()
    for (;;) {
      if (current) {
        const how = await current.ended
        if (stopping.signal.aborted) return
        current = undefined
        change('recovering')
        if (Date.now() - upSince > STEADY_MS) failures = 0
        if (worthALine(failures))
          options.log.error({ how, failures }, 'PostgreSQL ended unexpectedly; starting it again')
      }
      if (failures > 0) await pause(failures, stopping.signal)
      if (stopping.signal.aborted) return
      const began = Date.now()
      try {
        current = await launch(options, (postmaster) => {
          current = postmaster
          if (stopping.signal.aborted) void postmaster.stop()
        })
        if (stopping.signal.aborted) return
        upSince = Date.now()
        if (worthALine(failures))
          options.log.info({ pid: current.pid, durationMs: upSince - began }, 'PostgreSQL is back')
        change('ready')
      } catch (error) {
        current = undefined
        if (stopping.signal.aborted) return
        if (worthALine(failures))
          options.log.error({ err: error, failures }, 'PostgreSQL could not be started again; trying on')
      }
      failures++
    }
  }
  const kept = keep()

  let stopped: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    stopping.abort()
    await current?.stop()
    await kept
    await current?.stop()
    change('stopped')
  }

  return {
    get state() {
      return state
    },
    get pid() {
      return current?.hasEnded() === false ? current.pid : undefined
    },
    onState: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    stop: () => (stopped ??= stop()),
  }
}

/** 0, 1, 3, 7, 15 … failures in a row. */
const worthALine = (failures: number): boolean => ((failures + 1) & failures) === 0

const pause = (failures: number, signal: AbortSignal): Promise<void> => {
  const longest = Math.min(100 * 2 ** Math.min(failures, 10), LONGEST_PAUSE_MS)
  return sleep(longest * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => {})
}
