import { Readable } from 'node:stream'
import { ok } from '@ashlar/kernel'
import { content, defineRoute } from '@ashlar/platform/http'
import { z } from 'zod'

const text = z.object({ text: z.string() })
const ndjson = content('application/x-ndjson')

/** Well compressible, and above what is compressed. */
export const LONG = 'all work and no play '.repeat(200)
/** More than the sockets of both ends hold. */
export const HUGE_BYTES = 48 * 1024 * 1024

const plain = { method: 'GET', access: 'public', responses: { 200: text } } as const

/** Routes of a service that answers at length, slowly, seldom, or with all its might. */
export const oddRoutes = {
  long: defineRoute({ ...plain, path: '/notifications/long', summary: 'Long' }),
  tagged: defineRoute({ ...plain, path: '/notifications/tagged', summary: 'Long, with a strong tag' }),
  untouched: defineRoute({ ...plain, path: '/notifications/untouched', summary: 'Long, not to be transformed' }),
  short: defineRoute({ ...plain, path: '/notifications/short', summary: 'Short' }),
  stream: defineRoute({ ...plain, path: '/notifications/stream', summary: 'In pieces', responses: { 200: ndjson } }),
  huge: defineRoute({ ...plain, path: '/notifications/huge', summary: 'Huge', responses: { 200: ndjson } }),
  busy: defineRoute({ ...plain, path: '/notifications/busy', summary: 'Keeps the processor busy' }),
  seldom: defineRoute({
    ...plain,
    method: 'POST',
    path: '/notifications/seldom',
    summary: 'May be called twice a minute',
    limits: [{ name: 'seldom', quota: 2, windowSeconds: 60, by: 'address' }],
  }),
}

const burn = (ms: number): void => {
  const endsAtMs = performance.now() + ms
  while (performance.now() < endsAtMs);
}

export const oddHandlers = (destroyed: () => void) => ({
  long: async () => ok({ status: 200, body: { text: LONG } }),
  tagged: async () => ok({ status: 200, body: { text: LONG }, headers: { etag: '"v1"' } }),
  untouched: async () => ok({ status: 200, body: { text: LONG }, headers: { 'cache-control': 'no-transform' } }),
  short: async () => ok({ status: 200, body: { text: 'short' } }),
  stream: async () => ok({ status: 200, body: Readable.from(['{"a":1}\n'.repeat(500), '{"b":2}\n'.repeat(500)]) }),
  huge: async () => {
    const piece = Buffer.alloc(64 * 1024, 97)
    let left = HUGE_BYTES
    const body = new Readable({
      read() {
        left -= piece.length
        this.push(left < 0 ? null : piece)
      },
    })
    body.once('close', destroyed)
    return ok({ status: 200, body })
  },
  busy: async () => {
    burn(8)
    return ok({ status: 200, body: { text: 'done' } })
  },
  seldom: async () => ok({ status: 200, body: { text: 'once more' } }),
})
