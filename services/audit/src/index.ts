import { join } from 'node:path'
import type { Bus } from '@ashlar/platform/bus'
import { type Authenticator, createHttpServer, type HttpServer } from '@ashlar/platform/http'
import { createUnitOfWork, type MigrationSet, openDatabase } from '@ashlar/platform/postgres'
import type { Runtime } from '@ashlar/platform/runtime'
import { subscribeToEvents } from './api/events.ts'
import { auditHandlers } from './api/http.ts'
import { createCapture } from './application/capture.ts'
import { createPersonKeys } from './application/person-keys.ts'
import { readEntries } from './application/queries/read-entries.ts'
import type { VerifyResult } from './application/queries/verify-trail.ts'
import { exportHeader, storedTrail, type TrailDeps, verifyStored } from './application/trail.ts'
import { auditErrors, auditRoutes } from './contract.ts'
import { CheckpointFile } from './infrastructure/files/checkpoint-file.ts'
import { writeExport } from './infrastructure/files/export-file.ts'
import { loadSigner } from './infrastructure/files/signing-key.ts'
import { createPgoutputSource } from './infrastructure/pgoutput/change-source.ts'
import { createPostgresAuditStore } from './infrastructure/postgres/audit-store.ts'
import type { AuditDatabase } from './infrastructure/postgres/database.ts'
import type { AuditSettings } from './settings.ts'

export type { VerifyResult } from './application/queries/verify-trail.ts'
export { type VerifyExportOptions, verifyExport } from './infrastructure/files/export-file.ts'
export { type AuditSettings, auditSettings } from './settings.ts'

export const auditMigrations: MigrationSet = { service: 'audit', folder: new URL('../migrations/', import.meta.url) }

export type AuditOptions = {
  runtime: Runtime
  settings: AuditSettings
  databaseUrl: string
  bus: Bus
  authenticator: Authenticator
  /** `url`: as the role that may replicate and read the audited tables. */
  sources: { service: string; url: string; slot: string; publication: string }[]
  /** Holds `keys/audit-signing` and `audit/checkpoints.ndjson`. */
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
  const persons = createPersonKeys({ store, keys: runtime.keys })

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
    subscribe: (writer) => subscribeToEvents({ bus, unitOfWork, runtime, writer }),
    store,
    witness,
    persons,
    signer,
    settings,
    metrics: runtime.metrics('audit'),
    log,
    now: () => runtime.clock.now().getTime(),
  })

  const trail: TrailDeps = { store, witness, persons, writers: capture.writers }
  const verify = ({ publicKey, onProgress }: Parameters<Audit['verify']>[0] = {}) =>
    verifyStored(trail, { publicKey: publicKey ?? signer.publicKey, onProgress })
  let verifying: Promise<VerifyResult> | undefined

  const http = await createHttpServer({
    service: 'audit',
    runtime,
    routes: auditRoutes,
    errors: auditErrors,
    authenticator: options.authenticator,
    handlers: auditHandlers({
      readEntries: readEntries({ store, persons }),
      store,
      signer,
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
    start: capture.start,
    stop: capture.stop,
    verify,
    async exportTrail(path, { onProgress } = {}) {
      const now = () => runtime.clock.now().getTime()
      const header = await exportHeader(trail, signer, { waitMs: 3 * settings.checkpointMs, now })
      return { entries: await writeExport(path, header, storedTrail(trail), onProgress) }
    },
    async close() {
      await capture.stop()
      await http.close()
      await witness.close()
      await database.close()
    },
  }
}
