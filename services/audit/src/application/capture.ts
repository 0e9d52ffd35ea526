import { setTimeout as sleep } from 'node:timers/promises'
import { canonicalJson } from '@ashlar/kernel'
import type { Metrics } from '@ashlar/platform/telemetry'
import { checkpointLine, type Signer } from '../domain/checkpoint.ts'
import { type ChainWriter, type ChainWriterOptions, createChainWriter, type WriterLog } from './chain-writer.ts'
import { createChangeSink } from './change-sink.ts'
import { createMonitor, type Pressure } from './monitor.ts'
import type { PersonKeys } from './person-keys.ts'
import type { AuditStore, ChangeSource, CheckpointWitness } from './ports.ts'

/** The chain of what enters from the bus. */
export const EVENTS_CHAIN = 'events'

const START_PATIENCE_MS = 15_000
const HURRY_MS = 1000

export type CaptureOptions = {
  sources: readonly ChangeSource[]
  /** Begins to hand events to the writer. */
  subscribe: (writer: ChainWriter) => Promise<{ stop(): Promise<void> }>
  store: AuditStore
  witness: CheckpointWitness
  persons: PersonKeys
  signer: Signer
  settings: {
    checkpointEntries: number
    checkpointMs: number
    readyLagSeconds: number
    silentSeconds: number
    probeSeconds: number
    maxValuesBytes: number
    alarmPercent: number
    alarmHighPercent: number
    strict: boolean
    strictPercent: number
  }
  trace?: ChainWriterOptions['trace']
  metrics: Metrics
  log: WriterLog
  now: () => number
}

export type Capture = {
  start(): Promise<void>
  stop(): Promise<void>
  writers(): ReadonlyMap<string, ChainWriter>
  unready(): string | undefined
  pressure(): Pressure
}

/** Brings everything that happened into the trail: one writer per chain, fed by its source or by the bus. */
export const createCapture = (options: CaptureOptions): Capture => {
  const { sources, settings, log } = options
  const monitor = createMonitor({ settings, sources, metrics: options.metrics, log })
  let writers = new Map<string, ChainWriter>()
  let subscription: { stop(): Promise<void> } | undefined
  let probing: NodeJS.Timeout | undefined
  let probed: Promise<void> = Promise.resolve()
  let running = false

  const writerOf = (chain: string): ChainWriter => {
    const writer = createChainWriter({
      chain,
      store: options.store,
      witness: options.witness,
      persons: options.persons,
      signer: options.signer,
      log,
      now: options.now,
      checkpointEntries: settings.checkpointEntries,
      checkpointMs: settings.checkpointMs,
      maxValuesBytes: settings.maxValuesBytes,
      trace: options.trace,
      onStored: (count) => monitor.onStored(chain, count),
      onDivergence: () => monitor.onDivergence(chain),
      onCheckpoint: (checkpoint) => {
        monitor.onCheckpoint(chain)
        // As one text: exactly what was signed, to be held against the file.
        log.info({ checkpoint: canonicalJson(checkpointLine(checkpoint)) }, 'Checkpoint')
      },
    })
    writers.set(chain, writer)
    return writer
  }

  return {
    async start() {
      if (running) return
      running = true
      for (const source of sources) {
        const { service } = source
        const writer = writerOf(service)
        const onGap = (gap: Parameters<typeof monitor.onGap>[1]) => monitor.onGap(service, gap)
        source.start(createChangeSink({ service, writer, store: options.store, onGap, now: options.now }))
      }
      const abort = new AbortController()
      const late = sleep(START_PATIENCE_MS, 'late' as const, { signal: abort.signal }).catch(() => 'late' as const)
      const all = Promise.all(sources.map((source) => source.ready()))
      if ((await Promise.race([all, late])) === 'late') {
        log.error({ reason: monitor.unready() }, 'Changes are not being read yet')
      }
      abort.abort()
      subscription = await options.subscribe(writerOf(EVENTS_CHAIN))
      const probe = () => {
        probed = monitor.probe().then(() => {
          // Near the limit the log may fill up between two ordinary looks.
          const hurry = monitor.pressure().ratio >= settings.alarmPercent / 100
          if (running) probing = setTimeout(probe, hurry ? HURRY_MS : settings.probeSeconds * 1000)
        })
      }
      probe()
    },

    async stop() {
      if (!running) return
      running = false
      await probed
      clearTimeout(probing)
      await subscription?.stop()
      await Promise.all(sources.map((source) => source.stop()))
      await Promise.all([...writers.values()].map((writer) => writer.close()))
      writers = new Map()
    },

    writers: () => writers,
    pressure: monitor.pressure,
    unready: () => (running ? monitor.unready() : 'changes are not being read'),
  }
}
