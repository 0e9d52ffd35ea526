import { join } from 'node:path'
import type { Bus } from '@ashlar/platform/bus'
import { type Authenticator, createHttpServer, type HttpServer } from '@ashlar/platform/http'
import { createUnitOfWork, type MigrationSet, openDatabase } from '@ashlar/platform/postgres'
import { createTicker, type Runtime } from '@ashlar/platform/runtime'
import { subscribeToEvents } from './api/events.ts'
import { auditHandlers } from './api/http.ts'
import { appendSpans } from './application/append-spans.ts'
import { createCapture, EVENTS_CHAIN } from './application/capture.ts'
import { archiveMonths } from './application/commands/archive-months.ts'
import { erasePerson, replayErasures } from './application/commands/erase-person.ts'
import type { Pressure } from './application/monitor.ts'
import { createPersonKeys } from './application/person-keys.ts'
import { exportEntries } from './application/queries/export-entries.ts'
import { exportLines } from './application/queries/export-trail.ts'
import { readEntries } from './application/queries/read-entries.ts'
import type { VerifyResult } from './application/queries/verify-trail.ts'
import { exportHeader, storedTrail, type TrailDeps, verifyStored } from './application/trail.ts'
import { auditErrors, auditRoutes } from './contract.ts'
import { archiveFolder } from './infrastructure/files/archive-folder.ts'
import { CheckpointFile } from './infrastructure/files/checkpoint-file.ts'
import { ErasureFile } from './infrastructure/files/erasure-file.ts'
import { writeExport } from './infrastructure/files/export-file.ts'
import { loadSigner } from './infrastructure/files/signing-key.ts'
import { createPgoutputSource } from './infrastructure/pgoutput/change-source.ts'
import { createPostgresAuditStore } from './infrastructure/postgres/audit-store.ts'
import type { AuditDatabase } from './infrastructure/postgres/database.ts'
import { createHousekeeping } from './infrastructure/postgres/housekeeping.ts'
import { openMonthVault } from './infrastructure/postgres/month-vault.ts'
import type { AuditSettings } from './settings.ts'

export { auditHears } from './api/events.ts'
export type { Pressure } from './application/monitor.ts'
export type { VerifyResult } from './application/queries/verify-trail.ts'
export { type VerifyExportOptions, verifyExport } from './infrastructure/files/export-file.ts'
export { type AuditSettings, auditSettings } from './settings.ts'

export const auditMigrations: MigrationSet = { service: 'audit', folder: new URL('../migrations/', import.meta.url) }

/** Short enough that a month is made in time and an erasure list replayed soon after the store is back. */
const HOUSEKEEPING_MS = 60_000

export type AuditOptions = {
  runtime: Runtime
  settings: AuditSettings
  databaseUrl: string
  bus: Bus
  authenticator: Authenticator
  /** `url`: as the role that may replicate and read the audited tables. */
  sources: { service: string; url: string; slot: string; publication: string }[]
  /** Holds `keys/audit-signing`, and in `audit/` the checkpoints, the list of the erased and the archives. */
  dataDir: string
}

export type Audit = {
  http: HttpServer
  /** PEM of the key that signs checkpoints and exports, and its SHA-256. */
  publicKey: string
  fingerprint: string
  /** Resolves when every source has its slot, so that no later change is missed; after 15 s it goes on without. */
  start(): Promise<void>
  /** Takes no further change or event, stores and signs what was taken. */
  stop(): Promise<void>
  close(): Promise<void>
  /** Walks the whole trail. `publicKey` (PEM) pins the key that must have signed. */
  verify(options?: { publicKey?: string; onProgress?: (checked: number) => void }): Promise<VerifyResult>
  /** Writes NDJSON that `verifyExport` checks anywhere: everything that is signed by now. */
  exportTrail(path: string, options?: { onProgress?: (entries: number) => void }): Promise<{ entries: number }>
  /**
   * Moves the months up to `through` (`YYYY-MM`) into `audit/archive/`, one file each that `verifyExport` checks; what
   * is left still verifies. `adminUrl`: of the role that owns the tables. Throws where a month is not over or not whole.
   */
  archiveMonths(options: {
    through: string
    adminUrl: string
    onProgress?: (entries: number) => void
  }): Promise<{ name: string; file: string; entries: number }[]>
  /** How much of the log kept for the readers of changes is used, as last measured; costs nothing. */
  pressure(): Pressure
}

export const createAudit = async (options: AuditOptions): Promise<Audit> => {
  const { runtime, settings, bus, dataDir } = options
  const log = runtime.logger('audit')
  const signer = await loadSigner(join(dataDir, 'keys', 'audit-signing'))
  log.info({ fingerprint: signer.fingerprint }, 'Checkpoints of the trail are signed with this key')

  const database = openDatabase<AuditDatabase>({
    url: options.databaseUrl,
    applicationName: 'audit',
    runtime,
    service: 'audit',
  })
  const unitOfWork = createUnitOfWork({ database, runtime, service: 'audit', repositories: () => ({}) })
  const store = createPostgresAuditStore({ database, unitOfWork, runtime })
  const witness = new CheckpointFile(join(dataDir, 'audit', 'checkpoints.ndjson'))
  const persons = createPersonKeys({ store, keys: runtime.keys, cacheMs: settings.keyCacheMs })
  const erasures = new ErasureFile(join(dataDir, 'audit', 'erased.ndjson'))
  const archive = archiveFolder(join(dataDir, 'audit', 'archive'), signer.publicKey)
  const now = () => runtime.clock.now()

  const capture = createCapture({
    sources: options.sources.map(({ service, url, slot, publication }) =>
      createPgoutputSource({
        service,
        url,
        slot,
        publication,
        log,
        batchRows: settings.batchRows,
        silentMs: settings.silentSeconds * 1000,
        retryMaxMs: settings.retryMaxMs,
      }),
    ),
    subscribe: (writer) =>
      subscribeToEvents({ bus, unitOfWork, runtime, writer, erasePerson: erasePerson({ persons, erasures, now }) }),
    store,
    witness,
    persons,
    signer,
    settings,
    metrics: runtime.metrics('audit'),
    log,
    trace: appendSpans(runtime.tracing),
    now: () => now().getTime(),
  })
  const housekeeping = createHousekeeping({ db: database.db, store, settings, now })
  const keeping = createTicker({
    everyMs: HOUSEKEEPING_MS,
    immediately: true,
    work: async () => {
      // Asked anew each time: a store may be restored under a process that runs.
      await replayErasures({ persons, erasures })
      await housekeeping()
    },
    onError: (error) => log.warn({ err: error }, 'The trail could not be kept in order; it is tried again'),
  })

  const trail: TrailDeps = { store, witness, persons, intact: archive.intact, writers: capture.writers }
  const verify = ({ publicKey, onProgress }: Parameters<Audit['verify']>[0] = {}) =>
    verifyStored(trail, { publicKey: publicKey ?? signer.publicKey, onProgress })
  let verifying: Promise<VerifyResult> | undefined
  const read = readEntries({ store, persons })

  const stop = async () => {
    await keeping.stop()
    await capture.stop()
  }

  const http = await createHttpServer({
    service: 'audit',
    runtime,
    routes: auditRoutes,
    errors: auditErrors,
    authenticator: options.authenticator,
    handlers: auditHandlers({
      readEntries: read,
      exportEntries: exportEntries({
        readEntries: read,
        writer: () => capture.writers().get(EVENTS_CHAIN),
        now,
        atOnce: settings.exportsAtOnce,
      }),
      store,
      signer,
      context: runtime.context,
      newId: runtime.newId,
      now,
      // Whoever asks while one runs gets its answer: a walk over the whole trail is not for piling up.
      verify: () => {
        verifying ??= verify().finally(() => {
          verifying = undefined
        })
        return verifying
      },
    }),
    health: { postgres: () => database.ping() },
    ready: async () => capture.unready(),
  })

  return {
    http,
    publicKey: signer.publicKey,
    fingerprint: signer.fingerprint,
    async start() {
      // First of all: a store that was restored must show nobody again who was erased.
      await replayErasures({ persons, erasures }).catch((error: Error) =>
        log.warn({ error: error.message }, 'The list of the erased waits for the store'),
      )
      await capture.start()
      keeping.start()
    },
    stop,
    pressure: capture.pressure,
    verify,
    async exportTrail(path, { onProgress } = {}) {
      const header = await exportHeader(trail, signer, {
        waitMs: 3 * settings.checkpointMs,
        now: () => now().getTime(),
      })
      const { entries } = await writeExport(path, exportLines(header, storedTrail(trail)), onProgress)
      return { entries }
    },
    async archiveMonths({ through, adminUrl, onProgress }) {
      const vault = await openMonthVault(adminUrl)
      try {
        return await archiveMonths({ store, trail, signer, folder: archive, now })({ through, vault, onProgress })
      } finally {
        await vault.close()
      }
    },
    async close() {
      await stop()
      await http.close()
      await witness.close()
      await erasures.close()
      await database.close()
    },
  }
}
