/** Fields for the answers to one origin. The same object every time: nothing is built per request. */
export type CorsFields = Readonly<Record<string, string>>

export type Cors = {
  /** For every answer, refusals too: without them a page could not read why it was refused. */
  fields(origin: string | undefined): CorsFields
  /** The whole answer to a preflight; undefined where it comes from no listed origin. */
  preflight(origin: string | undefined): CorsFields | undefined
}

const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE'
const ASKED = [
  'Authorization',
  'Content-Type',
  'Idempotency-Key',
  'If-Match',
  'If-None-Match',
  'Last-Event-ID',
  'X-Request-ID',
  'traceparent',
  'tracestate',
].join(', ')
const EXPOSED = [
  'ETag',
  'Idempotent-Replayed',
  'Link',
  'Location',
  'RateLimit',
  'RateLimit-Policy',
  'Retry-After',
  'X-RateLimit-Limit',
  'X-RateLimit-Remaining',
  'X-RateLimit-Reset',
  'X-Request-ID',
  'traceparent',
].join(', ')
const PREFLIGHT_SECONDS = 600

/** True for an origin as browsers write it (RFC 6454, section 6.2): scheme, host and a port that is not the default. */
export const isOrigin = (text: string): boolean => {
  if (!/^https?:\/\/[a-z0-9.:[\]-]+$/.test(text) || !URL.canParse(text)) return false
  return new URL(text).origin === text
}

/**
 * Which pages of other origins may call, by an exact list (https://fetch.spec.whatwg.org/#http-cors-protocol). Never a
 * wildcard: the answers carry credentials. Undefined for an empty list, where browsers keep every other origin out.
 */
export const createCors = (origins: readonly string[]): Cors | undefined => {
  if (origins.length === 0) return undefined
  const others: CorsFields = { vary: 'Origin' }
  const listed = new Map<string, { fields: CorsFields; preflight: CorsFields }>()
  for (const origin of origins) {
    const common = {
      vary: 'Origin',
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
    }
    listed.set(origin, {
      fields: { ...common, 'access-control-expose-headers': EXPOSED },
      preflight: {
        ...common,
        vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
        'access-control-allow-methods': METHODS,
        'access-control-allow-headers': ASKED,
        'access-control-max-age': String(PREFLIGHT_SECONDS),
      },
    })
  }
  return {
    fields: (origin) => (origin === undefined ? others : (listed.get(origin)?.fields ?? others)),
    preflight: (origin) => (origin === undefined ? undefined : listed.get(origin)?.preflight),
  }
}
