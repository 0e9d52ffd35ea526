import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { loadCatalogue } from './catalogue.ts'
import { openSession, ReplicationConnection } from './connection.ts'
import { commitTimeMs, createDecoder } from './decoder.ts'
import { formatLsn, type Lsn, parseLsn } from './lsn.ts'
import { type PumpItem, pump } from './pump.ts'
import { createWeightedQueue } from './queue.ts'
import { dropSlot, judgeSlot, readSlot } from './slot.ts'
import { readSnapshot } from './snapshot.ts'
import type { Change, ChangeOwner, Position, ReaderLog, ReaderState } from './types.ts'

/** What the reader shows of its current session. */
export type SessionState = {
  phase: ReaderState
  received: Lsn
  stored: Lsn
  heardAt: number
  pendingSince: number | undefined
  queuedBytes: () => number
  error: string | undefined
}

export type SessionOptions = {
  url: string
  slot: string
  publication: string
  owner: ChangeOwner
  log: ReaderLog
  batchRows: number
  batchBytes: number
  highWaterBytes: number
  idleMs: number
  idleBytes: bigint
  statusMs: number
  silentMs: number
  now: () => number
  state: SessionState
  signal: AbortSignal
  onStreaming: () => void
}

/** One connection's life: settle where to read from, report a hole, take the snapshot, stream. Ends by throwing. */
export const runSession = async (options: SessionOptions): Promise<void> => {
  const { url, slot } = options
  const connection = await ReplicationConnection.open(url, slot)
  // A slot is made only when every open transaction of the cluster has ended: whoever stops does not wait for that.
  const stop = () => {
    if (options.state.phase === 'connecting') void connection.close()
  }
  options.signal.addEventListener('abort', stop, { once: true })
  try {
    const side = await openSession(url, `${slot} side`)
    try {
      const epoch = await connection.epoch()
      const from = await settle(options, { connection, side, epoch })
      await stream(options, { connection, side, epoch, from })
    } finally {
      await side.end().catch(() => {})
    }
  } finally {
    options.signal.removeEventListener('abort', stop)
    await connection.close()
  }
}

type Open = { connection: ReplicationConnection; side: pg.Client; epoch: string }

/** Answers with the position to stream from; until then slot, hole and snapshot are dealt with and stored. */
const settle = async (options: SessionOptions, { connection, side, epoch }: Open): Promise<Lsn> => {
  const { owner, slot: name, log } = options
  const stored = await owner.position()
  const slot = await readSlot(side, name)
  const verdict = judgeSlot(stored, slot, epoch)

  if (verdict.kind === 'resume' && stored?.phase === 'stream') return parseLsn(stored.lsn)

  let start = slot?.confirmed ?? 0n
  let snapshot: string | undefined
  if (verdict.kind !== 'resume' && verdict.create) {
    if (slot) await dropSlot(side, name)
    const created = await connection.createSlot(name)
    start = created.start
    snapshot = created.snapshot
  }
  const position: Position =
    verdict.kind === 'resume' && stored ? stored : { epoch, lsn: formatLsn(start), phase: 'snapshot' }

  if (verdict.kind === 'gap' && stored) {
    const gap = { reason: verdict.reason, epoch, previousEpoch: stored.epoch, from: stored.lsn, to: position.lsn }
    log.error(
      { slot: name, reason: gap.reason, epoch, from: gap.from, to: gap.to },
      'Changes may be missing between two positions',
    )
    await owner.gap(gap, position)
  } else if (verdict.kind === 'first') {
    log.info({ slot: name, lsn: position.lsn, epoch }, 'Change capture begins')
    await owner.store([], position)
  }

  options.state.phase = 'snapshot'
  const catalogue = await loadCatalogue(side)
  await readSnapshot({
    client: side,
    catalogue,
    snapshot,
    epoch,
    lsn: position.lsn,
    store: async (changes) => {
      if (options.signal.aborted) throw new Error('Stopped during the snapshot')
      await owner.store(changes, undefined)
    },
  })
  await owner.store([], { ...position, phase: 'stream' })
  return parseLsn(position.lsn)
}

const stream = async (options: SessionOptions, { connection, side, epoch, from }: Open & { from: Lsn }) => {
  const { state, now, signal, log } = options
  const queue = createWeightedQueue<PumpItem>({
    highWater: options.highWaterBytes,
    onFull: () => connection.pause(),
    onLow: () => connection.resume(),
  })
  state.received = from
  state.stored = from
  state.heardAt = now()
  state.queuedBytes = queue.weight
  state.pendingSince = undefined

  const acknowledge = (replyRequested = false) => connection.sendStatus(state.received, state.stored, replyRequested)

  await connection.start(options.slot, options.publication, from, {
    ended: queue.fail,
    frame(frame, size) {
      state.heardAt = now()
      if (frame.kind === 'keepalive') {
        // Answered at once, with what is stored: the answer must not wait behind the queue.
        if (frame.replyRequested) acknowledge()
        queue.push({ idle: frame.walEnd }, 0)
        return
      }
      if (frame.lsn > state.received) state.received = frame.lsn
      state.pendingSince ??= commitTimeMs(frame.payload)
      // Copied: the connection reads its next bytes into the same memory.
      queue.push({ lsn: frame.lsn, payload: Buffer.from(frame.payload) }, size)
    },
  })
  state.phase = 'streaming'
  state.error = undefined
  log.info({ slot: options.slot, from: formatLsn(from), epoch }, 'Change stream open')
  options.onStreaming()

  const timer = setInterval(() => {
    // Paused on purpose is not silence.
    const paused = queue.weight() > options.highWaterBytes / 2
    if (!paused && now() - state.heardAt > options.silentMs) return queue.fail(new Error('The server fell silent'))
    acknowledge(true)
    queue.wake()
  }, options.statusMs)
  const stop = () => queue.fail(new Error('Stopped'))
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()

  try {
    await pump({
      epoch,
      queue,
      decoder: createDecoder(options.publication),
      from,
      now,
      batchRows: options.batchRows,
      batchBytes: options.batchBytes,
      idleMs: options.idleMs,
      idleBytes: options.idleBytes,
      loadCatalogue: () => loadCatalogue(side),
      onPending: (since) => {
        state.pendingSince = since
      },
      prepare: (changes) => options.owner.prepare?.(changes),
      async store(changes, through) {
        const position: Position | undefined =
          through === undefined ? undefined : { epoch, lsn: formatLsn(through), phase: 'stream' }
        await storeUntilDone(options, changes, position)
        if (through !== undefined) state.stored = through
        acknowledge()
      },
    })
  } finally {
    clearInterval(timer)
    signal.removeEventListener('abort', stop)
  }
}

/** The store may be away for long: what was read stays in memory, the socket fills up and the server keeps the rest. */
const storeUntilDone = async (options: SessionOptions, changes: Change[], position: Position | undefined) => {
  const { state, signal, log, owner } = options
  for (let delayMs = 100; ; delayMs = Math.min(delayMs * 2, 2000)) {
    try {
      await owner.store(changes, position)
      state.error = undefined
      return
    } catch (error) {
      if (signal.aborted) throw error
      const { message } = error as Error
      log.warn({ slot: options.slot, error: message, count: changes.length, delayMs }, 'Store refused changes')
      state.error = message
      await sleep(delayMs, undefined, { signal })
    }
  }
}
