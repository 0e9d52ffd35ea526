import type { Broadcast } from '@ashlar/platform/broadcast'
import type { Bus } from '@ashlar/platform/bus'
import type { SettingsOf } from '@ashlar/platform/config'
import { serviceContext } from '@ashlar/platform/context'
import { type Authenticator, createHttpServer, type HttpServer } from '@ashlar/platform/http'
import { createRelay } from '@ashlar/platform/outbox'
import { createUnitOfWork, type Database, type MigrationSet, openDatabase } from '@ashlar/platform/postgres'
import type { Runtime } from '@ashlar/platform/runtime'
import { createRevocationSet, createTokenVerifier, type Revocation } from '@ashlar/platform/tokens'
import type { JSONWebKeySet } from 'jose'
import { createHandlers } from './api/http.ts'
import { type AuthVerbs, createVerbs } from './application/verbs.ts'
import { authErrors, authRoutes } from './contract.ts'
import { createAccessTokens } from './infrastructure/access-tokens.ts'
import { createArgon2Passwords } from './infrastructure/argon2-passwords.ts'
import { countOutcomes } from './infrastructure/counting.ts'
import { createHashQueue } from './infrastructure/hash-queue.ts'
import { createHousekeeping } from './infrastructure/housekeeping.ts'
import { createOpaqueTokens } from './infrastructure/opaque-tokens.ts'
import { createAccountReads } from './infrastructure/postgres/account-reads.ts'
import { readRevocations } from './infrastructure/postgres/revocations.ts'
import { announcing, createRepositories } from './infrastructure/postgres/store.ts'
import type { AuthTables } from './infrastructure/postgres/tables.ts'
import { createSealing } from './infrastructure/sealing.ts'
import { openSigningKeys } from './infrastructure/signing-keys.ts'
import { authSettings } from './settings.ts'

export { authSettings }

export const authMigrations: MigrationSet = { service: 'auth', folder: new URL('../migrations/', import.meta.url) }

export type AuthOptions = {
  runtime: Runtime
  settings: SettingsOf<typeof authSettings>
  databaseUrl: string
  bus: Bus
  broadcast: Broadcast
  /** Also the issuer of access tokens. */
  publicUrl: string
}

/** Accounts, sessions and tokens. A verb runs inside an execution context: who asks is part of what is written. */
export type Auth = AuthVerbs & {
  http: HttpServer
  /** Checks access tokens, for every service of this process. */
  authenticator: Authenticator
  jwks(): Promise<JSONWebKeySet>
  revocationsSince(sequence: number): Promise<{ rows: Revocation[]; lastSequence: number }>
  start(): Promise<void>
  stop(): Promise<void>
  close(): Promise<void>
}

const service = 'auth'
const SECOND = 1_000
const HOUR = 3_600 * SECOND
const DAY = 24 * HOUR

export const createAuth = async (options: AuthOptions): Promise<Auth> => {
  const { runtime, settings, databaseUrl: url } = options
  const max = settings.databaseConnections
  const database = openDatabase<AuthTables>({ url, max, applicationName: 'ashlar-auth', runtime, service })
  try {
    return await compose(options, database)
  } catch (error) {
    await database.close()
    throw error
  }
}

const compose = async (options: AuthOptions, database: Database<AuthTables>): Promise<Auth> => {
  const { runtime, settings, bus, broadcast, publicUrl } = options
  const { clock, newId, keys, names, context } = runtime

  const relay = createRelay({ database, bus, runtime, service })
  const store = createUnitOfWork({
    database,
    runtime,
    service,
    repositories: createRepositories({ newId, tokenSeconds: settings.accessTokenSeconds }),
    onAppended: () => relay.wake(),
  })
  const signingKeys = await context.run(serviceContext(service), () =>
    openSigningKeys({ db: database.db, unitOfWork: store, keys, names, clock }),
  )
  const jwks = async (): Promise<JSONWebKeySet> => signingKeys.jwks(clock.now())
  const revocationsSince = (sequence: number) => readRevocations(database.db, sequence)

  const revocations = createRevocationSet({ load: revocationsSince, broadcast, runtime })
  const { audience, accessTokenSeconds } = settings
  const authenticator = createTokenVerifier({ issuer: publicUrl, audience, jwks, revocations, clock })
  const queue = createHashQueue({
    concurrency: settings.hashConcurrency,
    maxWaiting: settings.hashQueueLength,
    metrics: runtime.metrics(service),
  })
  const lifetimes = {
    refreshSlidingMs: settings.refreshSlidingDays * DAY,
    refreshAbsoluteMs: settings.refreshAbsoluteDays * DAY,
    refreshGraceMs: settings.refreshGraceSeconds * SECOND,
    verificationMs: settings.verificationHours * HOUR,
    resetMs: settings.resetHours * HOUR,
  }
  const useCases = createVerbs({
    unitOfWork: announcing(store, broadcast),
    accounts: createAccountReads(database.db),
    passwords: await createArgon2Passwords(queue),
    tokens: createOpaqueTokens(),
    accessTokens: createAccessTokens({
      keys: signingKeys,
      issuer: publicUrl,
      audience,
      lifetimeSeconds: accessTokenSeconds,
      newId,
    }),
    ...createSealing({ keys, newId }),
    asUser: (id, work) => context.run({ ...context.current(), actor: { type: 'user', id } }, work),
    rules: { minLength: settings.passwordMinLength, maxLength: settings.passwordMaxLength },
    lifetimes,
    clock,
    newId,
  })
  const verbs = countOutcomes(useCases, runtime.metrics(service))
  const housekeeping = createHousekeeping({
    unitOfWork: store,
    runtime,
    reloadKeys: () => signingKeys.reload(),
    graceMs: lifetimes.refreshGraceMs,
    registrationDays: settings.registrationRetentionDays,
    sessionDays: settings.sessionRetentionDays,
  })
  const http = await createHttpServer({
    service,
    runtime,
    routes: authRoutes,
    errors: authErrors,
    handlers: createHandlers({ auth: verbs, jwks, accessTokenSeconds }),
    authenticator,
    health: { postgres: () => database.ping() },
    ready: async () => (revocations.ready() ? undefined : 'revocations are not known yet'),
  })

  return {
    ...verbs,
    http,
    authenticator,
    jwks,
    revocationsSince,
    start: async () => {
      relay.start()
      await revocations.start()
      housekeeping.start()
    },
    stop: async () => {
      await http.close()
      await housekeeping.stop()
      await relay.stop()
    },
    close: async () => {
      await http.close()
      await housekeeping.stop()
      await revocations.stop()
      await relay.stop()
      await database.close()
    },
  }
}
