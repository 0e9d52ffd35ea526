import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { createChangeReader } from '@ashlar/platform/cdc'
import { startCluster } from '@ashlar/platform/cluster'
import { migrate, Session } from '@ashlar/platform/postgres'
import { eventually, testRuntime } from '@ashlar/platform/testing'
import { expect, test } from 'vitest'
import { defaults, SOURCE } from '../../test/harness.ts'
import { createPgoutputSource } from '../infrastructure/pgoutput/change-source.ts'
import { createMonitor } from './monitor.ts'
import type { ChangeSource, SourceStatus } from './ports.ts'

const monitored = (strict: boolean, shares: () => (number | undefined)[]) => {
  const runtime = testRuntime()
  const sources = shares().map(
    (_, index) =>
      ({
        service: `s${index}`,
        probe: async () => {},
        status: (): SourceStatus => ({
          streaming: true,
          lagSeconds: 0,
          silentSeconds: 0,
          retainedBytes: 1,
          retainedShare: shares()[index],
          error: undefined,
        }),
      }) as unknown as ChangeSource,
  )
  const log = runtime.logger('audit')
  const monitor = createMonitor({ sources, metrics: runtime.metrics('audit'), settings: defaults({ strict }), log })
  const warnings = () => runtime.logs.filter(({ level }) => level === 'warn').length
  const metric = async (name: string) => (await runtime.metrics('audit').registry.getSingleMetric(name)?.get())?.values
  return { monitor, warnings, metric }
}

test('there is an alarm at 50 and one at 80 percent, and the source that is worst off counts', async () => {
  let shares: (number | undefined)[] = [0.2, undefined]
  const { monitor, warnings, metric } = monitored(true, () => shares)
  const seen: unknown[] = []
  for (const worst of [0.49, 0.5, 0.6, 0.8, 0.9, 0.3, 0.55]) {
    shares = [worst, undefined]
    await monitor.probe()
    seen.push([monitor.pressure().ratio, warnings(), (await metric('audit_source_alarm'))?.[0]?.value])
  }
  expect(seen).toEqual([
    [0.49, 0, 0],
    [0.5, 1, 1],
    [0.6, 1, 1],
    [0.8, 2, 1],
    [0.9, 2, 1],
    [0.3, 2, 0],
    [0.55, 3, 1],
  ])
})

test('writes are refused from 95 percent on, in strict mode alone', async () => {
  let shares = [0.94, 0.1]
  const [strict, lax] = [monitored(true, () => shares), monitored(false, () => shares)]
  const refused = async () => {
    await Promise.all([strict.monitor.probe(), lax.monitor.probe()])
    return [strict.monitor.pressure().refuseWrites, lax.monitor.pressure().refuseWrites]
  }
  expect(await refused()).toEqual([false, false])
  shares = [0.1, 0.95]
  expect(await refused()).toEqual([true, false])
  expect((await strict.metric('audit_writes_refused'))?.[0]?.value).toBe(1)
  shares = [0.1, 0.2]
  expect(await refused()).toEqual([false, false])
})

test('with the store stopped a tiny limit is seen to fill up, and to be given back', async () => {
  const runtime = testRuntime()
  const dataDir = await mkdtemp(join(tmpdir(), 'ashlar-strict-'))
  const role = runtime.names.role('payments')
  const changes = runtime.names.role('changes')
  const cluster = await startCluster({
    dataDir,
    adminPassword: 'test',
    databases: [{ name: 'source', connect: [role, changes] }],
    roles: [
      { name: role, password: 'test' },
      { name: changes, password: 'test', replication: true },
    ],
    durable: false,
    log: runtime.logger('audit'),
    settings: { max_slot_wal_keep_size: '64MB' },
  })
  try {
    const publication = runtime.names.publication
    const migration = { set: SOURCE, runtimeRole: role, changesRole: changes, publication, log: { info: () => {} } }
    await migrate({ adminUrl: cluster.url('source'), ...migration })
    let away = true
    let position: Awaited<ReturnType<Parameters<typeof createChangeReader>[0]['owner']['position']>>
    const source = createPgoutputSource({
      service: 'payments',
      url: cluster.url('source', changes),
      slot: 'strict',
      publication,
      log: runtime.logger('audit'),
      statusMs: 100,
      idleMs: 100,
    })
    const monitor = createMonitor({
      sources: [source],
      metrics: runtime.metrics('audit'),
      settings: defaults({ strict: true }),
      log: runtime.logger('audit'),
    })
    source.start({
      position: async () => position,
      prepare: () => {},
      async store(batch, through) {
        if (away && batch.length > 0) throw new Error('The store is stopped')
        position = through ?? position
      },
      gap: async () => {},
    })
    await source.ready()
    const admin = await Session.open({ url: cluster.url('source'), applicationName: 'test', dependency: 'postgres' })
    const ratios: number[] = []
    await monitor.probe()
    expect(monitor.pressure().refuseWrites).toBe(false)
    await admin.query(`INSERT INTO lines VALUES ('w', 1, 1, repeat('x', 100000))`)
    for (let step = 1; step <= 60 && !monitor.pressure().refuseWrites; step += 1) {
      const bytes = monitor.pressure().ratio < 0.8 ? 8_000_000 : 1_500_000
      await admin.query(`SELECT pg_logical_emit_message(false, 'fill', repeat('x', ${bytes}))`)
      await monitor.probe()
      ratios.push(monitor.pressure().ratio)
    }
    expect(monitor.pressure().refuseWrites).toBe(true)
    expect(ratios.at(-1)).toBeLessThan(1)
    // Refused in time: the slot is still there, so nothing is missing once the store is back.
    const [slot] = await admin.query<{ wal_status: string }>('SELECT wal_status FROM pg_replication_slots')
    expect(slot?.wal_status).not.toBe('lost')
    away = false
    await eventually(async () => {
      await admin.query(`SELECT pg_logical_emit_message(false, 'tick', '')`)
      await admin.query('CHECKPOINT')
      await monitor.probe()
      expect(monitor.pressure().refuseWrites).toBe(false)
    }, 15_000)
    await admin.close()
    await source.stop()
  } finally {
    await cluster.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}, 60_000)
