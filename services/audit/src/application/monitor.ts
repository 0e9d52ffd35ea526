import type { Gap } from '@ashlar/platform/cdc'
import type { Metrics } from '@ashlar/platform/telemetry'
import type { ChangeSource } from './ports.ts'

export type MonitorOptions = {
  sources: readonly ChangeSource[]
  metrics: Metrics
  settings: {
    readyLagSeconds: number
    silentSeconds: number
    alarmPercent: number
    alarmHighPercent: number
    strict: boolean
    strictPercent: number
  }
  log: { warn(fields: object, message: string): void }
}

/** How much of the log that the databases may keep for the readers of changes is used up. */
export type Pressure = {
  /** 0 to 1, of the source that is worst off; 1 where a slot is lost or gone. */
  ratio: number
  /** Only in strict mode: a further write might never reach the trail. */
  refuseWrites: boolean
}

export type Monitor = {
  onGap(source: string, gap: Gap): void
  onStored(chain: string, entries: number): void
  onCheckpoint(chain: string): void
  onDivergence(chain: string): void
  /** Measures and publishes; never rejects. */
  probe(): Promise<void>
  /** As it was measured last; costs nothing. */
  pressure(): Pressure
  /** Why the trail makes no progress; undefined when it does. */
  unready(): string | undefined
}

/** What operators see of the trail: progress, not that a process runs. */
export const createMonitor = ({ sources, metrics, settings, log }: MonitorOptions): Monitor => {
  const alarmShares = [settings.alarmHighPercent / 100, settings.alarmPercent / 100].sort((a, b) => b - a)
  const refuseShare = settings.strict ? settings.strictPercent / 100 : Number.POSITIVE_INFINITY
  const lag = metrics.gauge('audit_lag_seconds', 'Age of the oldest change that is read but not stored', ['source'])
  const retained = metrics.gauge('audit_slot_retained_bytes', 'Log that the database keeps for the reader', ['source'])
  const share = metrics.gauge('audit_slot_retained_ratio', 'Part of the log that the database may keep which is used', [
    'source',
  ])
  const refusing = metrics.gauge('audit_writes_refused', '1 while the strict mode refuses writes')
  const alarm = metrics.gauge(
    'audit_source_alarm',
    '1 after a gap until the new snapshot is stored, and while the reader is far behind',
    ['source'],
  )
  const gaps = metrics.counter('audit_gaps_total', 'Holes in the captured changes', ['source'])
  const entries = metrics.counter('audit_entries_total', 'Entries that were stored', ['chain'])
  const checkpoints = metrics.counter('audit_checkpoints_total', 'Checkpoints that were signed', ['chain'])
  const divergences = metrics.counter(
    'audit_divergences_total',
    'Times that the store was found changed behind its writer',
    ['chain'],
  )
  const holes = new Set<string>()
  const warned = new Map<string, number>()
  const shares = new Map<string, number>()

  const pressure = (): Pressure => {
    const ratio = Math.max(0, ...shares.values())
    return { ratio, refuseWrites: ratio >= refuseShare }
  }

  const publish = (source: ChangeSource) => {
    const { service } = source
    const { streaming, lagSeconds, retainedBytes, retainedShare = 0 } = source.status()
    if (streaming) holes.delete(service)
    lag.set({ source: service }, lagSeconds)
    if (retainedBytes !== undefined) retained.set({ source: service }, retainedBytes)
    shares.set(service, retainedShare)
    share.set({ source: service }, retainedShare)
    refusing.set(pressure().refuseWrites ? 1 : 0)
    const passed = alarmShares.find((limit) => retainedShare >= limit)
    if (passed !== undefined && passed > (warned.get(service) ?? 0)) {
      log.warn(
        { source: service, retainedBytes, limit: passed },
        'The database keeps much log for the reader of changes',
      )
    }
    warned.set(service, passed ?? 0)
    alarm.set({ source: service }, holes.has(service) || passed !== undefined ? 1 : 0)
  }

  for (const { service } of sources) {
    gaps.inc({ source: service }, 0)
    alarm.set({ source: service }, 0)
  }

  return {
    onGap(source) {
      holes.add(source)
      gaps.inc({ source })
      alarm.set({ source }, 1)
    },
    onStored: (chain, count) => entries.inc({ chain }, count),
    onCheckpoint: (chain) => checkpoints.inc({ chain }),
    onDivergence: (chain) => divergences.inc({ chain }),
    async probe() {
      for (const source of sources) {
        await source.probe().catch(() => {})
        publish(source)
      }
    },
    pressure,
    unready() {
      for (const source of sources) {
        publish(source)
        const { streaming, lagSeconds, silentSeconds: silent } = source.status()
        if (!streaming) return `changes of ${source.service} are not being read`
        if (lagSeconds > settings.readyLagSeconds)
          return `changes of ${source.service} are ${Math.round(lagSeconds)} s behind`
        if (silent > settings.silentSeconds) return `nothing was heard of ${source.service} for ${Math.round(silent)} s`
      }
      return undefined
    },
  }
}
