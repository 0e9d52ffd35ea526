import type { Gap } from '@ashlar/platform/cdc'
import type { Metrics } from '@ashlar/platform/telemetry'
import type { ChangeSource } from './ports.ts'

export type MonitorOptions = {
  sources: readonly ChangeSource[]
  metrics: Metrics
  readyLagSeconds: number
  silentSeconds: number
  log: { warn(fields: object, message: string): void }
}

export type Monitor = {
  onGap(source: string, gap: Gap): void
  onStored(chain: string, entries: number): void
  onCheckpoint(chain: string): void
  onDivergence(chain: string): void
  /** Measures and publishes; never rejects. */
  probe(): Promise<void>
  /** Why the trail makes no progress; undefined when it does. */
  unready(): string | undefined
}

/** Shares of the log that a slot may keep at which the alarm is raised. */
const ALARM_SHARES = [0.8, 0.5]

/** What operators see of the trail: progress, not that a process runs. */
export const createMonitor = ({ sources, metrics, readyLagSeconds, silentSeconds, log }: MonitorOptions): Monitor => {
  const lag = metrics.gauge('audit_lag_seconds', 'Age of the oldest change that is read but not stored', ['source'])
  const retained = metrics.gauge('audit_slot_retained_bytes', 'Log that the database keeps for the reader', ['source'])
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

  const publish = (source: ChangeSource) => {
    const { service } = source
    const { streaming, lagSeconds, retainedBytes, retainedShare = 0 } = source.status()
    if (streaming) holes.delete(service)
    lag.set({ source: service }, lagSeconds)
    if (retainedBytes !== undefined) retained.set({ source: service }, retainedBytes)
    const passed = ALARM_SHARES.find((share) => retainedShare >= share)
    if (passed !== undefined && passed > (warned.get(service) ?? 0)) {
      log.warn({ source: service, retainedBytes, limit: passed }, 'The reader of changes is far behind')
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
    unready() {
      for (const source of sources) {
        publish(source)
        const { streaming, lagSeconds, silentSeconds: silent } = source.status()
        if (!streaming) return `changes of ${source.service} are not being read`
        if (lagSeconds > readyLagSeconds) return `changes of ${source.service} are ${Math.round(lagSeconds)} s behind`
        if (silent > silentSeconds) return `nothing was heard of ${source.service} for ${Math.round(silent)} s`
      }
      return undefined
    },
  }
}
