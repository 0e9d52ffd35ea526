import type { Importance } from './shedding.ts'

/** The services that the gateway routes to. */
export type UpstreamName = 'auth' | 'payments' | 'notifications' | 'audit'

export const UPSTREAM_NAMES: readonly UpstreamName[] = ['auth', 'payments', 'notifications', 'audit']

export type Place = {
  upstream: UpstreamName | 'gateway'
  /** Not counted by request limits. */
  unlimited?: true
  /** For peers on this machine alone; everybody else is told that it does not exist. */
  loopbackOnly?: true
  /** Who is refused first when there is too much. */
  importance: Importance
  /** Its answers hold tokens, so they are never compressed: their length would tell of them (BREACH). */
  secrets?: true
}

const gateway: Place = { upstream: 'gateway', importance: 'usual' }
const auth: Place = { upstream: 'auth', importance: 'usual' }
const health: Place = { ...gateway, unlimited: true, importance: 'always' }

/** First path segment → place. A prefix owns whole segments only: `/authors` is not below `/auth`. */
const PLACES: ReadonlyMap<string, Place> = new Map<string, Place>([
  ['auth', { ...auth, secrets: true }],
  ['users', auth],
  ['roles', auth],
  ['.well-known', auth],
  ['payments', { upstream: 'payments', importance: 'last' }],
  ['notifications', { upstream: 'notifications', importance: 'usual' }],
  ['audit', { upstream: 'audit', importance: 'usual' }],
  ['', gateway],
  ['docs', gateway],
  ['csp-report', gateway],
  ['verify-email', { ...gateway, secrets: true }],
  ['reset-password', { ...gateway, secrets: true }],
  ['openapi.json', gateway],
  ['metrics', { ...gateway, importance: 'last' }],
  ['health', health],
  ['livez', health],
  ['readyz', health],
  ['startupz', health],
  ['dev', { ...gateway, unlimited: true, loopbackOnly: true, secrets: true }],
])

/** Providers call from few addresses and prove themselves by signature. */
const WEBHOOKS = '/payments/webhooks/'
const WEBHOOK: Place = { upstream: 'payments', unlimited: true, importance: 'last' }

/** Who serves a canonical path, if anybody. */
export const placeOf = (path: string): Place | undefined => {
  if (path.startsWith(WEBHOOKS)) return WEBHOOK
  const end = path.indexOf('/', 1)
  return PLACES.get(end < 0 ? path.slice(1) : path.slice(1, end))
}
