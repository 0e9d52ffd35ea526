import type { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import type { Logger } from '../telemetry/index.ts'
import { idsOf, type RequestState } from './state.ts'

/**
 * Sends a stream as fast as the caller reads and no faster. A caller who leaves destroys it; where it breaks after the
 * first byte the connection is cut, because an answer that merely ends would look complete.
 */
export const sendStream = (
  reply: FastifyReply,
  stream: Readable,
  state: RequestState,
  logger: Logger,
): FastifyReply => {
  stream.once('error', (error) => {
    if (!reply.raw.headersSent) return
    logger.error({ ...idsOf(state), route: state.route, err: error }, 'the answer broke off')
  })
  if (reply.request.method !== 'HEAD') return reply.send(stream)
  // Nobody will see a byte of it, so nothing is read.
  stream.destroy()
  return reply.send()
}

const OF_A_BODY = [
  'content-length',
  'content-disposition',
  'content-encoding',
  'etag',
  'last-modified',
  'link',
] as const

/** What was said of a stream that broke before its first byte is not true of the problem that is sent instead. */
export const forgetStream = (reply: FastifyReply): void => {
  for (const name of OF_A_BODY) reply.removeHeader(name)
}
