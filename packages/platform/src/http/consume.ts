import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { RouteSpec, Routes } from '../contract/index.ts'
import { parseJson } from './body.ts'
import { Refused } from './problem.ts'
import type { RequestState } from './state.ts'

// Charsets other than UTF-8 do not exist for JSON (RFC 8259, section 8.1).
const JSON_TYPE = /^application\/(?:json|[\w.-]+\+json)\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?;?$/i

type Options = { maxDepth: number; stateOf: (request: FastifyRequest) => RequestState }

/**
 * Takes JSON bodies, and those media types that a route itself names; all others answer 415. The bytes are kept where
 * a route asks for them, and stay unparsed where it has no schema for them.
 */
export const readBodies = (fastify: FastifyInstance, routes: Routes, { maxDepth, stateOf }: Options): void => {
  const read = (request: FastifyRequest, bytes: Buffer): unknown => {
    const spec = specOf(request)
    if (spec?.rawBody) stateOf(request).rawBody = bytes
    return spec?.rawBody && !spec.body ? undefined : parseJson(bytes, maxDepth)
  }
  const add = (type: string | RegExp, takes: (request: FastifyRequest) => boolean): void => {
    fastify.addContentTypeParser(type, { parseAs: 'buffer' }, (request, body, done) => {
      try {
        if (!takes(request) || isEncoded(request)) throw new Refused('media_type_unsupported')
        done(null, read(request, body as Buffer))
      } catch (error) {
        done(error as Error)
      }
    })
  }

  fastify.removeAllContentTypeParsers()
  add(JSON_TYPE, () => true)
  for (const type of new Set(Object.values(routes).flatMap((route) => route.consumes ?? []))) {
    if (!JSON_TYPE.test(type)) add(type, (request) => specOf(request)?.consumes?.includes(type) === true)
  }
}

/** Compressed, say (RFC 9110, section 8.4): read as it is, it would mean something else. */
const isEncoded = ({ headers }: FastifyRequest): boolean =>
  !/^(?:identity)?$/i.test(headers['content-encoding']?.trim() ?? '')

/** The contract of the route that a request met; undefined for routes that were added beside it. */
export const specOf = (request: FastifyRequest): RouteSpec | undefined =>
  (request.routeOptions.config as { spec?: RouteSpec }).spec
