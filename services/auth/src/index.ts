import type { Broadcast } from '@ashlar/platform/broadcast'
import type { Bus } from '@ashlar/platform/bus'
import type { SettingsOf } from '@ashlar/platform/config'
import { serviceContext } from '@ashlar/platform/context'
import { type Authenticator, createHttpServer, type HttpServer } from '@ashlar/platform/http'
import { createRelay } from '@ashlar/platform/outbox'
import { createUnitOfWork, type Database, type MigrationSet, openDatabase } from '@ashlar/platform/postgres'
import type { Runtime } from '@ashlar/platform/runtime'
import { CLOCK_SKEW_SECONDS, createRevocationSet, createTokenVerifier, type Revocation } from '@ashlar/platform/tokens'
import type { JSONWebKeySet } from 'jose'
import { createHandlers } from './api/http.ts'
import { type AuthVerbs, createVerbs } from './application/verbs.ts'
import { authErrors, authRoutes } from './contract.ts'
import { createAccessTokens } from './infrastructure/access-tokens.ts'
import { createAddressRequestWorker } from './infrastructure/address-requests.ts'
import { countOutcomes } from './infrastructure/counting.ts'
import { createHousekeeping } from './infrastructure/housekeeping.ts'
import { createKeyUpkeep } from './infrastructure/key-upkeep.ts'
import { createOpaqueTokens } from './infrastructure/opaque-tokens.ts'
import { openPasswordSafety, type PasswordSafety } from './infrastructure/password-safety.ts'
import { createAccountReads } from './infrastructure/postgres/account-reads.ts'
import { readAddressRequests } from './infrastructure/postgres/address-mail.ts'
import { readRevocations } from './infrastructure/postgres/revocations.ts'
import { announcing, createRepositories } from './infrastructure/postgres/store.ts'
import type { AuthTables } from './infrastructure/postgres/tables.ts'
import { createSealing } from './infrastructure/sealing.ts'
import { createSigningKeyMaker, openSigningKeys } from './infrastructure/signing-keys.ts'
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
  /** False switches off the throttle of guessing and the limits of mailed links (true). */
  limitsEnabled?: boolean
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
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

export const createAuth = async (options: AuthOptions): Promise<Auth> => {
  const { runtime, settings, databaseUrl: url } = options
  const max = settings.databaseConnections
  const database = openDatabase<AuthTables>({ url, max, applicationName: 'ashlar-auth', runtime, service })
  const sealing = createSealing({ keys: runtime.keys, newId: runtime.newId })
  let safety: PasswordSafety | undefined
  try {
    const { limitsEnabled = true } = options
    safety = await openPasswordSafety({ runtime, settings, db: database.db, limitsEnabled, ...sealing })
    return await compose(options, { database, sealing, safety })
  } catch (error) {
    await safety?.close()
    await database.close()
    throw error
  }
}

type Opened = { database: Database<AuthTables>; sealing: ReturnType<typeof createSealing>; safety: PasswordSafety }

const compose = async (options: AuthOptions, { database, sealing, safety }: Opened): Promise<Auth> => {
  const { runtime, settings, bus, broadcast, publicUrl } = options
  const { clock, newId, keys, names, context } = runtime

  const relay = createRelay({ database, bus, runtime, service })
  const store = createUnitOfWork({
    database,
    runtime,
    service,
    repositories: createRepositories({
      newId,
      names,
      tokenSeconds: settings.accessTokenSeconds,
      currentContext: () => context.current(),
    }),
    onAppended: () => relay.wake(),
  })
  const signingKeys = await openSigningKeys({ db: database.db, unitOfWork: store, keys, clock })
  const jwks = async (): Promise<JSONWebKeySet> => signingKeys.jwks(clock.now())
  const revocationsSince = (sequence: number) => readRevocations(database.db, sequence)

  const revocations = createRevocationSet({ load: revocationsSince, broadcast, runtime })
  const { audience, accessTokenSeconds } = settings
  // The keys are in this process: a new one is found the moment it signs.
  const ours = { jwks, refetchAfterMs: 0 }
  const authenticator = createTokenVerifier({ issuer: publicUrl, audience, ...ours, revocations, clock })
  const lifetimes = {
    refreshSlidingMs: settings.refreshSlidingDays * DAY,
    refreshAbsoluteMs: settings.refreshAbsoluteDays * DAY,
    refreshGraceMs: settings.refreshGraceSeconds * SECOND,
    verificationMs: settings.verificationHours * HOUR,
    resetMs: settings.resetHours * HOUR,
    forgotMs: settings.forgotMinutes * MINUTE,
  }
  const useCases = createVerbs({
    unitOfWork: announcing(store, broadcast),
    accounts: createAccountReads(database.db),
    ...safety,
    wakeRequests: () => requests.wake(),
    tokens: createOpaqueTokens(),
    accessTokens: createAccessTokens({
      keys: signingKeys,
      issuer: publicUrl,
      audience,
      lifetimeSeconds: accessTokenSeconds,
      newId,
    }),
    ...sealing,
    asUser: (id, work) => context.run({ ...context.current(), actor: { type: 'user', id } }, work),
    lifetimes,
    makeSigningKey: createSigningKeyMaker(keys),
    keyLifetimes: {
      overlapMs: settings.keyOverlapSeconds * SECOND,
      accessTokenMs: accessTokenSeconds * SECOND,
      skewMs: CLOCK_SKEW_SECONDS * SECOND,
    },
    clock,
    newId,
  })
  const rotateSigningKeys: AuthVerbs['rotateSigningKeys'] = async (rotation) => {
    const rotated = await useCases.rotateSigningKeys(rotation)
    await signingKeys.reload()
    return rotated
  }
  if (signingKeys.newestMadeAt() === undefined) {
    await context.run(serviceContext(service), () => rotateSigningKeys({ ifMadeBefore: new Date(0) }))
  }
  const requests = createAddressRequestWorker({
    runtime,
    waiting: () => readAddressRequests(database.db, 100),
    answer: useCases.answerAddressRequest,
  })
  const verbs = countOutcomes({ ...useCases, rotateSigningKeys }, runtime.metrics(service))
  const housekeeping = createHousekeeping({
    unitOfWork: store,
    runtime,
    graceMs: lifetimes.refreshGraceMs,
    registrationDays: settings.registrationRetentionDays,
    sessionDays: settings.sessionRetentionDays,
    inboxDays: settings.inboxRetentionDays,
    reloadHashKinds: safety.reloadHashKinds,
  })
  const keyUpkeep = createKeyUpkeep({
    signingKeys,
    rotate: rotateSigningKeys,
    rotationDays: settings.keyRotationDays,
    runtime,
  })
  // Whoever read the key set just before a rotation reads it again before the new key signs.
  const jwksSeconds = Math.min(60, Math.floor(settings.keyOverlapSeconds / 2))
  const http = await createHttpServer({
    service,
    runtime,
    routes: authRoutes,
    errors: authErrors,
    handlers: createHandlers({ auth: verbs, jwks, jwksSeconds, accessTokenSeconds, clock }),
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
      requests.start()
      keyUpkeep.start()
    },
    stop: async () => {
      await http.close()
      await requests.stop()
      await housekeeping.stop()
      await keyUpkeep.stop()
      await relay.stop()
    },
    close: async () => {
      await http.close()
      await requests.stop()
      await housekeeping.stop()
      await keyUpkeep.stop()
      await revocations.stop()
      await relay.stop()
      await safety.close()
      await database.close()
    },
  }
}
