import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import type { Result } from '@ashlar/kernel'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { RouteSpec, Routes } from '../contract/index.ts'
import { createIdempotency, fingerprint } from '../idempotency/index.ts'
import type { Idempotency } from '../idempotency/types.ts'
import { createGate } from './access.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'
import type { HttpServerOptions, RequestLimits } from './options.ts'
import { Refused } from './problem.ts'
import { createRenderer, nextLink, type Rendered } from './render.ts'
import { contextOf, type RequestState } from './state.ts'
import type { Cursors, HttpResponse, Refusal } from './types.ts'
import { bodySchema, parseBody, parseParams, parseQuery } from './validate.ts'

export type Wiring = {
  stateOf: (request: FastifyRequest) => RequestState
  answer: (reply: FastifyReply, rendered: Rendered) => FastifyReply
  refuse: (refusal: Refusal, state: RequestState, instance: string) => Rendered & { code: string }
  limits: RequestLimits
}

type AnyHandler = (input: Record<string, unknown>) => Promise<Result<HttpResponse, Refusal>>

/** Registers one route of the contract: gate, parse, handle in the caller's context, check, send. */
export const registerRoute = <R extends Routes>(
  fastify: FastifyInstance,
  name: string,
  route: RouteSpec,
  options: HttpServerOptions<R>,
  { stateOf, answer, refuse, limits }: Wiring,
): void => {
  const { runtime, errors } = options
  const handler = options.handlers[name] as AnyHandler | undefined
  if (!handler) throw new Error(`The route ${name} has no handler.`)
  for (const code of route.errors ?? []) {
    if (!Object.hasOwn(errors, code))
      throw new Error(`The route ${name} names the code ${code}, which is not in its service's table.`)
  }
  const body = bodySchema(route, name)
  const unparsed = route.rawBody && !body
  const gate = createGate(route, name, { authenticator: options.authenticator, clock: runtime.clock })
  const cursors = createCursors(options.cursorKey ?? runtime.keys.derive(`cursor:${options.service}`), name)
  const renderResponse = createRenderer(name, route)
  const ownerAlive = options.ownerAlive ?? ((owner: string) => owner === runtime.instanceId)

  const render = (
    result: Result<HttpResponse, Refusal>,
    state: RequestState,
    url: string,
  ): Rendered & { code?: string } => {
    if (!result.ok) return refuse(result.error, state, pathOf(url))
    const rendered = renderResponse(result.value)
    const link = route.query && nextLink(url, result.value)
    if (link) rendered.headers.link ??= link
    return rendered
  }

  const idempotencyOf = (request: FastifyRequest, state: RequestState): Idempotency | undefined => {
    const mode = route.idempotency
    if (!mode) return undefined
    const key = request.headers['idempotency-key']
    if (typeof key !== 'string' || !VISIBLE_ASCII.test(key)) {
      throw new Refused({
        code: 'idempotency_key_required',
        detail: 'Send an Idempotency-Key of 1 to 255 visible ASCII characters.',
      })
    }
    const scope = scopeOf(state.caller?.userId ?? 'anonymous', route, request.params as Record<string, string>)
    return createIdempotency({
      use: { scope, key, fingerprint: fingerprint(request.body ?? state.rawBody?.toString('base64') ?? null) },
      mode,
      render: (result) => {
        const rendered = render(result, state, request.raw.url ?? '')
        if (rendered.body instanceof Readable) throw new Error(`The streamed answer of ${name} cannot be kept.`)
        return { ...rendered, body: Buffer.from(rendered.body) }
      },
      lease: { owner: runtime.instanceId, seconds: limits.idempotencyLeaseSeconds, ownerAlive },
      waitMs: limits.idempotencyWaitMs,
      logger: runtime.logger(options.service),
    })
  }

  fastify.route({
    method: route.method,
    url: route.path,
    config: { spec: route },
    ...(gate && {
      onRequest: (request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void) => {
        const asking = gate(request.headers.authorization, stateOf(request))
        if (asking) asking.then(() => done(), done)
        else done()
      },
    }),
    handler: async (request, reply) => {
      const state = stateOf(request)
      const params = parseParams(route.params, request.params)
      const idempotency = idempotencyOf(request, state)
      const input = {
        body: unparsed ? undefined : parseBody(body, request.body),
        rawBody: route.rawBody && (state.rawBody ?? NO_BYTES),
        params,
        query: parseQuery(route.query, request.query),
        caller: route.access === 'public' ? null : state.caller,
        ip: state.ip,
        userAgent: state.userAgent,
        headers: request.headers,
        cursors,
        idempotency,
      }
      const result = await runtime.context.run(contextOf(state), () => handler(input))
      const rendered = render(result, state, request.raw.url ?? '')
      state.code = rendered.code
      return answer(reply, rendered)
    },
  })
}

const NO_BYTES = Buffer.alloc(0)
const VISIBLE_ASCII = /^[\x21-\x7e]{1,255}$/

const pathOf = (url: string): string => {
  const question = url.indexOf('?')
  return question < 0 ? url : url.slice(0, question)
}

/** Caller, method and path with its ids, in one spelling whatever the request wrote; hashed to a bounded length. */
const scopeOf = (caller: string, route: RouteSpec, params: Record<string, string>): string => {
  const path = route.path.replace(/:(\w+)/g, (_step, name: string) => encodeURIComponent(params[name] ?? ''))
  const scope = `${caller} ${route.method} ${path}`
  return scope.length <= 200 ? scope : createHash('sha256').update(scope).digest('hex')
}

const createCursors = (key: Buffer, route: string): Cursors => ({
  encode: (filterAndSort, position) => encodeCursor(key, [route, filterAndSort], position),
  decode: (filterAndSort, cursor) => decodeCursor(key, [route, filterAndSort], cursor),
})
