import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@ashlar/kernel'
import { serviceContext } from '@ashlar/platform/context'
import { createUnitOfWork, openDatabase, type PlatformTx, type UnitOfWork } from '@ashlar/platform/postgres'
import { type TestDatabase, testDatabase, testRuntime } from '@ashlar/platform/testing'
import { createCapture } from '../src/application/capture.ts'
import type { ChainWriter } from '../src/application/chain-writer.ts'
import { erasePerson } from '../src/application/commands/erase-person.ts'
import { createPersonKeys } from '../src/application/person-keys.ts'
import type { AuditStore } from '../src/application/ports.ts'
import type { VerifyResult } from '../src/application/queries/verify-trail.ts'
import { storedTrail, type TrailDeps, verifyStored } from '../src/application/trail.ts'
import type { Signer } from '../src/domain/checkpoint.ts'
import type { Entry } from '../src/domain/entry.ts'
import { type AuditSettings, auditMigrations, auditSettings } from '../src/index.ts'
import { archiveFolder } from '../src/infrastructure/files/archive-folder.ts'
import { CheckpointFile } from '../src/infrastructure/files/checkpoint-file.ts'
import { ErasureFile } from '../src/infrastructure/files/erasure-file.ts'
import { loadSigner } from '../src/infrastructure/files/signing-key.ts'
import { createPgoutputSource } from '../src/infrastructure/pgoutput/change-source.ts'
import { createPostgresAuditStore } from '../src/infrastructure/postgres/audit-store.ts'
import type { AuditDatabase } from '../src/infrastructure/postgres/database.ts'

export const SOURCE = { service: 'payments', folder: new URL('./source/', import.meta.url) } as const

export const defaults = (more: Partial<AuditSettings> = {}): AuditSettings => ({
  ...(Object.fromEntries(
    Object.entries(auditSettings.settings).map(([name, { schema }]) => [name, schema.parse(undefined)]),
  ) as AuditSettings),
  checkpointMs: 50,
  ...more,
})

export type Harness = {
  source: TestDatabase
  audit: TestDatabase
  dataDir: string
  checkpointsFile: string
  slot: string
  runtime: ReturnType<typeof realRuntime>
  store: AuditStore
  signer: Signer
  trail: TrailDeps
  /** Writes into the source the way a service does. */
  sourceUow: UnitOfWork<PlatformTx>
  /** A fresh capture over the same stores, as after a restart of the process. */
  start(settings?: Partial<AuditSettings>): Promise<Capture>
  verify(): Promise<VerifyResult>
  /** As when the person's account is deleted; tells of it through the writer of the chain of events. */
  erase(person: string, writer: ChainWriter | undefined): Promise<void>
  erasures: ErasureFile
  close(): Promise<void>
}

export type Capture = ReturnType<typeof createCapture> & { events: ChainWriter | undefined }

const realRuntime = () => testRuntime({ clock: systemClock })

/** A source database, an audit database, a data directory, and everything of the trail but HTTP and the bus. */
export const harness = async (): Promise<Harness> => {
  const runtime = realRuntime()
  const [source, audit] = [await testDatabase(SOURCE.service, SOURCE), await testDatabase('audit', auditMigrations)]
  const dataDir = await mkdtemp(join(tmpdir(), 'ashlar-audit-'))
  const checkpointsFile = join(dataDir, 'audit', 'checkpoints.ndjson')
  const signer = await loadSigner(join(dataDir, 'keys', 'audit-signing'))
  const database = openDatabase<AuditDatabase>({ url: audit.url, applicationName: 'audit', runtime, service: 'audit' })
  const unitOfWork = createUnitOfWork({ database, runtime, service: 'audit', repositories: () => ({}) })
  const store = createPostgresAuditStore({ database, unitOfWork, runtime })
  const persons = createPersonKeys({ store, keys: runtime.keys, cacheMs: 1000 })
  const erasures = new ErasureFile(join(dataDir, 'audit', 'erased.ndjson'))
  const archive = archiveFolder(join(dataDir, 'audit', 'archive'), signer.publicKey)
  const sourceDatabase = openDatabase({ url: source.url, applicationName: 'payments', runtime, service: 'payments' })
  const plainUow = createUnitOfWork({
    database: sourceDatabase,
    runtime,
    service: 'payments',
    repositories: () => ({}),
  })
  const slot = `s_${source.name.slice(-12)}`
  const witness = new CheckpointFile(checkpointsFile)
  const captures: Capture[] = []
  const trail: TrailDeps = {
    store,
    witness,
    persons,
    intact: archive.intact,
    writers: () =>
      captures.findLast((capture) => capture.unready() !== 'changes are not being read')?.writers() ?? new Map(),
  }

  return {
    source,
    audit,
    dataDir,
    checkpointsFile,
    slot,
    runtime,
    store,
    signer,
    trail,
    sourceUow: (work) =>
      runtime.context.run(runtime.context.find() ?? serviceContext('payments'), () => plainUow(work)),
    async start(settings) {
      const own: { events: ChainWriter | undefined } = { events: undefined }
      const capture = createCapture({
        sources: [
          createPgoutputSource({
            service: 'payments',
            url: source.changesUrl,
            slot,
            publication: runtime.names.publication,
            log: runtime.logger('audit'),
            batchRows: settings?.batchRows ?? 1000,
            idleMs: 200,
            statusMs: 200,
            retryMinMs: 20,
            retryMaxMs: 200,
          }),
        ],
        subscribe: async (writer) => {
          own.events = writer
          return { stop: async () => {} }
        },
        store,
        witness,
        persons,
        signer,
        settings: defaults(settings),
        metrics: runtime.metrics('audit'),
        log: runtime.logger('audit'),
        now: Date.now,
      })
      await capture.start()
      const both = Object.assign(capture, own)
      captures.push(both)
      return both
    },
    verify: () => verifyStored(trail, { publicKey: signer.publicKey }),
    erasures,
    erase: async (person, writer) => {
      if (!writer) throw new Error('Nobody writes the chain of events')
      const context = { requestId: null, traceId: null, ip: null, userAgent: null, reason: 'asked' }
      await erasePerson({ persons, erasures, now: () => new Date() })({ person, writer, context })
    },
    async close() {
      for (const capture of captures) await capture.stop()
      await witness.close()
      await erasures.close()
      await database.close()
      await sourceDatabase.close()
      await source.sql('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = $1', [
        source.name,
      ])
      await source.close()
      await audit.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

export const allEntries = async ({ trail }: Harness, chain = 'payments'): Promise<Entry[]> => {
  const entries: Entry[] = []
  for await (const entry of storedTrail(trail).entries(chain)) entries.push(entry)
  return entries
}
