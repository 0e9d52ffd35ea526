/** The services that the gateway routes to. */
export type UpstreamName = 'auth' | 'payments' | 'notifications' | 'audit'

export const UPSTREAM_NAMES: readonly UpstreamName[] = ['auth', 'payments', 'notifications', 'audit']

export type Place = {
  upstream: UpstreamName | 'gateway'
  /** Not counted by request limits. */
  unlimited?: true
  /** For peers on this machine alone; everybody else is told that it does not exist. */
  loopbackOnly?: true
}

/** First path segment → place. A prefix owns whole segments only: `/authors` is not below `/auth`. */
const PLACES: ReadonlyMap<string, Place> = new Map<string, Place>([
  ['auth', { upstream: 'auth' }],
  ['users', { upstream: 'auth' }],
  ['roles', { upstream: 'auth' }],
  ['.well-known', { upstream: 'auth' }],
  ['payments', { upstream: 'payments' }],
  ['notifications', { upstream: 'notifications' }],
  ['audit', { upstream: 'audit' }],
  ['', { upstream: 'gateway' }],
  ['verify-email', { upstream: 'gateway' }],
  ['reset-password', { upstream: 'gateway' }],
  ['openapi.json', { upstream: 'gateway' }],
  ['metrics', { upstream: 'gateway' }],
  ['health', { upstream: 'gateway', unlimited: true }],
  ['livez', { upstream: 'gateway', unlimited: true }],
  ['readyz', { upstream: 'gateway', unlimited: true }],
  ['startupz', { upstream: 'gateway', unlimited: true }],
  ['dev', { upstream: 'gateway', unlimited: true, loopbackOnly: true }],
])

/** Providers call from few addresses and prove themselves by signature. */
const WEBHOOKS = '/payments/webhooks/'

/** Who serves a canonical path, if anybody. */
export const placeOf = (path: string): Place | undefined => {
  if (path.startsWith(WEBHOOKS)) return { upstream: 'payments', unlimited: true }
  const end = path.indexOf('/', 1)
  return PLACES.get(end < 0 ? path.slice(1) : path.slice(1, end))
}
