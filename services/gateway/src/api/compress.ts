import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { constants } from 'node:zlib'
import compression from 'compression'

const THRESHOLD_BYTES = 1_024
const TYPES = /^(?:text\/|image\/svg|application\/(?:[\w.-]+\+)?(?:json|xml|javascript|x-ndjson)\b)/
const NOTHING = (): void => undefined

export type Compress = (request: IncomingMessage, response: ServerResponse) => void

/**
 * Compresses answers (br, gzip) for clients that ask for it: text above 1 KiB that is not encoded already, nothing
 * that says `no-transform`. An answer with a strong `ETag` is left alone: the tag names exactly these bytes, and a
 * client that was shown a weakened one could not use it in `If-Match`.
 *
 * The library takes a response apart into single fields and listeners, which costs as much as the rest of the edge.
 * So it is called in only when the head is written and turns out to be worth it.
 */
export const createCompress = (): Compress => {
  const compressResponse = compression({
    threshold: THRESHOLD_BYTES,
    // The type was looked at before; the library's list lacks NDJSON.
    filter: () => true,
    // A smaller window than the library's own: answers are small, and each open one holds its window in memory.
    brotli: { params: { [constants.BROTLI_PARAM_QUALITY]: 4, [constants.BROTLI_PARAM_LGWIN]: 18 } },
  })

  return (request, response) => {
    const { writeHead, write } = response
    const restore = (): void => {
      response.writeHead = writeHead
      response.write = write
    }
    // The types of the library are those of Express; it uses nothing beyond Node's own.
    const engage = (): void => {
      compressResponse(request as never, response as never, NOTHING)
    }

    // An answer in one piece: the fields come with the head. A head without fields belongs to a body that Node is
    // writing already, which is too late for another form of it.
    response.writeHead = ((...parts: unknown[]) => {
      restore()
      const fields = parts.at(-1)
      if (typeof fields === 'object' && fields !== null && isWorthIt(fields as OutgoingHttpHeaders)) engage()
      return (response.writeHead as (...of: unknown[]) => ServerResponse)(...parts)
    }) as typeof writeHead
    // A streamed answer: the head goes with its first piece.
    response.write = ((...parts: unknown[]) => {
      restore()
      if (!response.headersSent && isWorthIt(response.getHeaders())) engage()
      return (response.write as (...of: unknown[]) => boolean)(...parts)
    }) as typeof write
  }
}

const isWorthIt = (headers: OutgoingHttpHeaders): boolean => {
  const { 'content-type': type, 'content-length': length, 'content-encoding': encoding, etag } = headers
  if (typeof type !== 'string' || !TYPES.test(type) || encoding !== undefined) return false
  if (length !== undefined && Number(length) < THRESHOLD_BYTES) return false
  return typeof etag !== 'string' || etag.startsWith('W/')
}
