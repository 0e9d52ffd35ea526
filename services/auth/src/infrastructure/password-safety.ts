import { setTimeout as sleep } from 'node:timers/promises'
import type { SettingsOf } from '@ashlar/platform/config'
import type { Runtime } from '@ashlar/platform/runtime'
import type { Kysely } from 'kysely'
import type {
  EvenTime,
  ForgiveGuesses,
  GuardSecret,
  HashIdentifier,
  LinkLimits,
  Passwords,
  RefusePassword,
} from '../application/ports.ts'
import type { authSettings } from '../settings.ts'
import { openBreachedFile } from './breached-file.ts'
import { createCommonPasswords } from './common-passwords.ts'
import { createGuessThrottle, withoutThrottle } from './guess-throttle.ts'
import { createHashKinds } from './hash-kinds.ts'
import { createHashQueue } from './hash-queue.ts'
import { createPasswordPolicy } from './password-policy.ts'
import { createPasswords } from './passwords.ts'
import type { AuthTables } from './postgres/tables.ts'

type Options = {
  runtime: Runtime
  settings: SettingsOf<typeof authSettings>
  db: Kysely<AuthTables>
  hashIdentifier: HashIdentifier
  limitsEnabled: boolean
}

/** Everything that stands between somebody and the password of another. */
export type PasswordSafety = {
  passwords: Passwords
  refusePassword: RefusePassword
  guardSecret: GuardSecret
  forgiveGuesses: ForgiveGuesses
  evenTime: EvenTime
  linkLimits: LinkLimits
  reloadHashKinds: () => Promise<void>
  close(): Promise<void>
}

/** For the turn of a password hash: people who sign in wait for it, and try again when it takes longer. */
const LONGEST_WAIT_MS = 2_000
const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const DAY_MS = 86_400 * SECOND_MS

/** Opens the file of breached passwords, where there is one, until `close`. */
export const openPasswordSafety = async (options: Options): Promise<PasswordSafety> => {
  const { runtime, settings, db, hashIdentifier, limitsEnabled } = options
  const metrics = runtime.metrics('auth')
  const { clock } = runtime
  const queue = createHashQueue({
    concurrency: settings.hashConcurrency,
    maxWaiting: settings.hashQueueLength,
    maxWaitMs: LONGEST_WAIT_MS,
    metrics,
  })
  const kinds = createHashKinds(db)
  await kinds.reload()

  const { passwordMinLength: minLength, passwordMaxLength: maxLength, passwordClasses: classes } = settings
  const { breachedPasswordsFile: path } = settings
  const breached = path === undefined ? undefined : await openBreachedFile(path)
  const common = createCommonPasswords({ minLength })

  const limits = {
    tries: settings.guessTries,
    windowMs: settings.guessWindowMinutes * MINUTE_MS,
    freeTries: settings.guessFreeTries,
    maxPauseMs: settings.guessMaxPauseMs,
    maxTracked: settings.guessMaxTracked,
  }
  const throttle = limitsEnabled
    ? createGuessThrottle({ limits, hashIdentifier, clock, metrics, pause: sleep })
    : withoutThrottle

  return {
    passwords: createPasswords(queue, kinds),
    refusePassword: createPasswordPolicy({ rules: { minLength, maxLength, classes }, common, breached }),
    ...throttle,
    evenTime: async (work) => {
      const [value] = await Promise.all([work(), sleep(settings.registerEvenMs)])
      return value
    },
    linkLimits: {
      enabled: limitsEnabled,
      short: { count: settings.linksPerWindow, ms: settings.linkWindowMinutes * MINUTE_MS },
      long: { count: settings.linksPerDay, ms: DAY_MS },
    },
    reloadHashKinds: kinds.reload,
    close: async () => breached?.close(),
  }
}
