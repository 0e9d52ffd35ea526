import { migrate, openDatabase, createUnitOfWork, Session } from '@ashlar/platform/postgres'
import { createRuntime } from '@ashlar/platform/runtime'
import { createKeyring } from '@ashlar/platform/keys'
import { auditMigrations } from './src/index.ts'
import { createPostgresAuditStore } from './src/infrastructure/postgres/audit-store.ts'
import { createPersonKeys } from './src/application/person-keys.ts'
import { createCapture } from './src/application/capture.ts'
import { createPgoutputSource } from './src/infrastructure/pgoutput/change-source.ts'
import { CheckpointFile } from './src/infrastructure/files/checkpoint-file.ts'
import { loadSigner } from './src/infrastructure/files/signing-key.ts'
import { Writable } from 'node:stream'
const url = (db: string, role = 'postgres') => `postgres://${role}@127.0.0.1:55441/${db}`
const admin = await Session.open({ url: url('postgres'), applicationName: 'b', dependency: 'p' })
for (const r of ['ashlar_payments', 'ashlar_audit', 'ashlar_changes']) await admin.query(`DO $$ BEGIN CREATE ROLE ${r} LOGIN REPLICATION; EXCEPTION WHEN duplicate_object THEN NULL; END $$`)
await admin.query(`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots`)
for (const d of ['b_src', 'b_aud']) { await admin.query(`DROP DATABASE IF EXISTS ${d} WITH (FORCE)`); await admin.query(`CREATE DATABASE ${d}`) }
const log = { info: () => {} }
await migrate({ adminUrl: url('b_src'), set: { service: 'payments', folder: new URL('./test/source/', import.meta.url) }, runtimeRole: 'ashlar_payments', changesRole: 'ashlar_changes', publication: 'ashlar_audit', log } as never)
await migrate({ adminUrl: url('b_aud'), set: auditMigrations, runtimeRole: 'ashlar_audit', publication: 'ashlar_audit', log } as never)
const runtime = createRuntime({ keys: createKeyring({ masterKey: Buffer.alloc(32, 1) }), logDestination: new Writable({ write(_c, _e, d) { d() } }) as never })
const database = openDatabase<any>({ url: url('b_aud', 'ashlar_audit'), applicationName: 'audit', runtime, service: 'audit' })
const unitOfWork = createUnitOfWork({ database, runtime, service: 'audit', repositories: () => ({}) })
const store = createPostgresAuditStore({ database, unitOfWork, runtime })
const persons = createPersonKeys({ store, keys: runtime.keys })
const dir = `/tmp/ab/${Date.now()}`
const signer = await loadSigner(`${dir}/k`)
const witness = new CheckpointFile(`${dir}/c`)
const src = await Session.open({ url: url('b_src'), applicationName: 'b', dependency: 'p' })
const aud = await Session.open({ url: url('b_aud'), applicationName: 'b', dependency: 'p' })
const start = async () => {
  const c = createCapture({ sources: [createPgoutputSource({ service: 'payments', url: url('b_src', 'ashlar_changes'), slot: 'b_slot', publication: 'ashlar_audit', log: { info() {}, warn: console.log, error: console.log }, batchRows: Number(process.env.BATCH ?? 1000) })], subscribe: async () => ({ stop: async () => {} }), store, witness, persons, signer, settings: { checkpointEntries: 1000, checkpointMs: 1000, readyLagSeconds: 30, silentSeconds: 30, probeSeconds: 5 }, metrics: runtime.metrics('audit'), log: { info() {}, warn: console.log, error: console.log }, now: Date.now })
  await c.start(); return c
}
await (await start()).stop()
const N = Number(process.env.N ?? 60000)
let total = 0
for (const [what, n, stmt] of [
  ['insert', N, `INSERT INTO lines SELECT 'a' || i % 100, i, i, repeat('x', 40) FROM generate_series(1, ${N}) i`],
  ['update', N, `UPDATE lines SET amount = amount + 1`],
  ['people', N / 4, `INSERT INTO people (id, email, name) SELECT gen_random_uuid(), 'p' || i || '@example.com', 'Name ' || i FROM generate_series(1, ${N / 4}) i`],
  ['people update', N / 4, `UPDATE people SET name = name || 'x'`],
] as const) {
  await src.query(stmt); total += n
  const t0 = performance.now(), cpu0 = process.cpuUsage()
  const c = await start()
  for (;;) { const [r] = await aud.query<{ s: bigint }>(`SELECT coalesce(max(sequence), 0) s FROM entries WHERE chain = 'payments'`); if (Number(r?.s) >= total) break; await new Promise((r) => setTimeout(r, 50)) }
  const ms = performance.now() - t0, cpu = process.cpuUsage(cpu0)
  console.log(what, Math.round(n / ms * 1000), 'rows/s', 'node cpu us/row', Math.round((cpu.user + cpu.system) / n), 'rss', Math.round(process.memoryUsage().rss / 1e6))
  await c.stop()
}
await witness.close(); await database.close(); await src.close(); await aud.close(); await admin.close()
