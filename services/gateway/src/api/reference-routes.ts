import type { FastifyInstance } from 'fastify'
import type { ReferenceAssets } from '../application/ports.ts'
import { referencePage } from './pages/reference.ts'

const YEAR_SECONDS = 31_536_000

/**
 * The API reference at `/docs` and its files below. Each file has a route of its own, so that no path of a request
 * ever becomes one of the file system.
 */
export const referenceRoutes =
  (assets: ReferenceAssets) =>
  async (fastify: FastifyInstance): Promise<void> => {
    fastify.get('/docs', async (_request, reply) => {
      const files = await Promise.all(assets.names.map((name) => assets.find(name)))
      const versions = new Map(files.map(({ name, version }) => [name, version]))
      const { headers, body } = referencePage((name) => `/docs/${name}?v=${versions.get(name)}`)
      return reply.headers(headers).send(body)
    })

    for (const name of assets.names) {
      fastify.get<{ Querystring: { v?: string | string[] } }>(`/docs/${name}`, async (request, reply) => {
        const { type, version, bytes } = await assets.find(name)
        // Weak, because the file is sent in more than one encoding.
        const etag = `W/"${version}"`
        reply.headers({
          etag,
          // An address with the right version never means another file.
          'cache-control': request.query.v === version ? `public, max-age=${YEAR_SECONDS}, immutable` : 'no-cache',
          vary: 'Origin, Accept-Encoding',
        })
        if (matches(request.headers['if-none-match'], etag)) return reply.code(304).send()
        return reply.header('content-type', type).send(bytes)
      })
    }
  }

/** The weak comparison of `If-None-Match` (RFC 9110, section 13.1.2). */
const matches = (field = '', etag: string): boolean =>
  field.split(',').some((tag) => tag.trim() === '*' || tag.trim() === etag)
