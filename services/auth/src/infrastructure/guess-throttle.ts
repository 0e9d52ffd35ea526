import type { Clock } from '@ashlar/kernel'
import type { Metrics } from '@ashlar/platform/telemetry'
import type { ForgiveGuesses, GuardSecret, HashIdentifier, RateLimited } from '../application/ports.ts'
import { networkOf } from '../domain/network.ts'
import { createTryCounts, type TryOutcome } from './try-counts.ts'

export type GuessLimits = {
  /** Wrong tries of one identifier from one network within `windowMs`. */
  tries: number
  windowMs: number
  /** Wrong tries of one identifier, from wherever, that are not slowed yet. */
  freeTries: number
  maxPauseMs: number
  /** Identifiers, and pairs of identifier and network, that are remembered at most. */
  maxTracked: number
}

type Options = {
  limits: GuessLimits
  hashIdentifier: HashIdentifier
  clock: Clock
  metrics: Metrics
  /** Resolves after so long. */
  pause: (ms: number) => Promise<unknown>
}

/** The first pause; each further try doubles it. */
const FIRST_PAUSE_MS = 100
/**
 * Beyond it nobody is slowed, and who would have to wait for others is refused: whoever waits takes a place among the
 * requests that are at work, and an attack on one account must not fill all of them.
 */
const MAX_WAITING = 100
/** Half of a hash in hex tells identifiers apart as well. */
const KEY_LENGTH = 32

/**
 * Counts wrong tries by identifier and network, exactly, however many come at once: a try takes its place before the
 * secret is looked at, and gives it back unless the secret was wrong. While the places are taken by tries whose end is
 * not known, further ones wait for it, so that nobody is refused for signing in on many devices at once. The
 * identifier alone only slows, so nobody locks a stranger's account. Counts live in this process and end with it.
 */
export const createGuessThrottle = (options: Options): { guardSecret: GuardSecret; forgiveGuesses: ForgiveGuesses } => {
  const { limits, hashIdentifier, clock, metrics, pause } = options
  const { tries, windowMs, maxTracked } = limits
  const counter = (what: string, help: string) => metrics.counter(`auth_guesses_${what}_total`, help)
  const refused = counter('refused', 'Tries of a secret that were refused before looking at it')
  const slowed = counter('slowed', 'Tries of a secret that had to wait')
  const tracked = metrics.gauge('auth_guesses_tracked', 'Identifiers and networks whose wrong tries are remembered')
  const pairs = createTryCounts({ windowMs, maxTracked, remembered: tries })
  const identifiers = createTryCounts({ windowMs, maxTracked, remembered: limits.freeTries + 32 })
  let waiting = 0

  const bounded = async (wait: () => Promise<unknown>): Promise<void> => {
    waiting++
    await wait().finally(() => {
      waiting--
    })
  }
  const nowMs = (): number => clock.now().getTime()
  const refuse = (waitMs: number): { ok: false; error: RateLimited } => {
    refused.inc()
    return { ok: false, error: { code: 'rate_limited', retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)) } }
  }
  /** Takes a place, or answers the milliseconds until there will be one. */
  const refusedFor = async (key: string): Promise<number | undefined> => {
    for (;;) {
      const { failed, pending, oldestAt, ended } = pairs.look(key, nowMs())
      if (failed >= tries) return oldestAt + windowMs - nowMs()
      if (failed + pending < tries) {
        // In the same turn as the look: what is seen is what is taken.
        pairs.take(key, nowMs())
        return undefined
      }
      if (waiting >= MAX_WAITING) return 0
      await bounded(() => ended)
    }
  }
  const pauseFor = (id: string): number => {
    const { failed, pending } = identifiers.look(id, nowMs())
    const beyond = failed + pending - limits.freeTries
    if (beyond <= 0) return 0
    const full = Math.min(limits.maxPauseMs, FIRST_PAUSE_MS * 2 ** Math.min(beyond - 1, 20))
    // Tries that came together must not go on together: the hash queue would take the first and refuse the rest.
    return full < limits.maxPauseMs ? full : full / 2 + (((beyond * 7) % 32) / 32) * (full / 2)
  }

  const keysOf: (about: Parameters<ForgiveGuesses>[0]) => { id: string; key: string } = ({ email, ip }) => {
    const id = hashIdentifier(email).slice(0, KEY_LENGTH)
    return { id, key: `${id} ${networkOf(ip)}` }
  }

  const guardSecret: GuardSecret = async (about, attempt) => {
    const { id, key } = keysOf(about)
    const waitMs = await refusedFor(key)
    if (waitMs !== undefined) return refuse(waitMs)

    identifiers.take(id, nowMs())
    tracked.set(pairs.size() + identifiers.size())
    let outcome: TryOutcome = 'undecided'
    try {
      const pauseMs = pauseFor(id)
      if (pauseMs > 0 && waiting < MAX_WAITING) {
        slowed.inc()
        await bounded(() => pause(pauseMs))
      }
      const result = await attempt()
      if (result.ok) outcome = 'right'
      else if (result.error === 'credentials_invalid') outcome = 'wrong'
      return result
    } finally {
      const forgiven = pairs.end(key, outcome, nowMs())
      identifiers.end(id, outcome === 'right' ? 'undecided' : outcome, nowMs())
      identifiers.forgive(id, forgiven)
    }
  }
  const forgiveGuesses: ForgiveGuesses = (about) => {
    const { id, key } = keysOf(about)
    identifiers.forgive(id, pairs.forgive(key, Number.POSITIVE_INFINITY))
  }
  return { guardSecret, forgiveGuesses }
}

/** For an Ashlar whose limits are switched off. */
export const withoutThrottle: { guardSecret: GuardSecret; forgiveGuesses: ForgiveGuesses } = {
  guardSecret: (_about, attempt) => attempt(),
  forgiveGuesses: () => undefined,
}
