import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerResponse } from 'node:http'

/** Fields that tell how a request was served and hold nobody's secret. */
const REQUEST = [
  'host',
  'accept',
  'accept-encoding',
  'accept-language',
  'content-type',
  'content-length',
  'transfer-encoding',
  'user-agent',
  'origin',
  'if-match',
  'if-none-match',
  'expect',
  'connection',
] as const
const RESPONSE = [
  'content-type',
  'content-length',
  'content-encoding',
  'cache-control',
  'etag',
  'vary',
  'retry-after',
  'ratelimit',
  'ratelimit-policy',
  'idempotent-replayed',
  'access-control-allow-origin',
  'connection',
] as const
const MAX_TEXT = 200

const lines = (names: readonly string[], headers: IncomingHttpHeaders | OutgoingHttpHeaders): string[] =>
  names.flatMap((name) => {
    const value = headers[name]
    return value === undefined ? [] : [`${name}: ${String(value).slice(0, MAX_TEXT)}`]
  })

export const requestLines = (headers: IncomingHttpHeaders): string[] => lines(REQUEST, headers)

/**
 * Watches for the head of an answer; the result tells what was sent of the fields that may be logged. A head that is
 * given to Node whole is never stored by it, so it is looked at on its way.
 */
export const watchHead = (response: ServerResponse): (() => string[]) => {
  const { writeHead } = response
  let sent: OutgoingHttpHeaders = {}
  response.writeHead = ((...parts: unknown[]) => {
    const given = parts.at(-1)
    sent = { ...response.getHeaders(), ...(typeof given === 'object' ? given : {}) }
    return (writeHead as (...of: unknown[]) => ServerResponse).apply(response, parts)
  }) as typeof writeHead
  return () => lines(RESPONSE, sent)
}
