/** The parts of a request's head that are checked before anything is decided. `rawHeaders` alternates names and values. */
export type Head = { method: string; httpVersion: string; rawHeaders: readonly string[] }

export type FramingRefusal = {
  code: 'request_malformed' | 'method_not_allowed' | 'headers_too_large'
  detail: string
}

/** For the `Allow` field of a refusal. */
export const SERVED_METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'

const MAX_FIELDS = 100
const CONTINUE = /^100-continue$/i
/** Fields of which a second one means that two readers may believe different things. */
const SINGLE: ReadonlyMap<number, string> = new Map([
  [4, 'host'],
  [13, 'authorization'],
])

/**
 * Refuses heads that Node's parser lets through although two servers may read them differently, or undefined.
 * Obsolete line folding and contradicting lengths never come this far: the parser itself refuses them.
 */
export const refuseHead = ({ method, httpVersion, rawHeaders }: Head): FramingRefusal | undefined => {
  if (rawHeaders.length > MAX_FIELDS * 2) {
    return { code: 'headers_too_large', detail: `A request may have at most ${MAX_FIELDS} header fields.` }
  }
  if (method === 'TRACE' || method === 'CONNECT') {
    return { code: 'method_not_allowed', detail: `${method} is not served here.` }
  }
  const old = httpVersion === '1.0'
  if (!old && httpVersion !== '1.1') return malformed('Only HTTP/1.1 and HTTP/1.0 are spoken here.')

  let hosts = 0
  let authorizations = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    const watched = SINGLE.get(name.length)
    if (watched !== undefined) {
      const lower = name.toLowerCase()
      if (lower === 'host') hosts += 1
      else if (lower === 'authorization') authorizations += 1
    } else if (old && name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
      return malformed('HTTP/1.0 knows no Transfer-Encoding.')
    } else if (name.length === 6 && name.toLowerCase() === 'expect' && !CONTINUE.test(rawHeaders[at + 1] ?? '')) {
      return malformed('The only expectation that is met here is 100-continue.')
    }
  }
  if (hosts > 1) return malformed('The request has more than one Host field.')
  if (hosts === 0 && !old) return malformed('The request has no Host field.')
  if (authorizations > 1) return malformed('The request has more than one Authorization field.')
  return undefined
}

const malformed = (detail: string): FramingRefusal => ({ code: 'request_malformed', detail })
