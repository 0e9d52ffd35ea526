import { type IncomingMessage, METHODS, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import createFastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import type { Routes } from '../contract/index.ts'
import { createAllowedMethods } from './allow.ts'
import { readBodies, specOf } from './consume.ts'
import { registerEndpoints } from './endpoints.ts'
import { refusalOf } from './failures.ts'
import { garbledAnswer } from './garbled.ts'
import { createObserver } from './observe.ts'
import { buildOpenApi } from './openapi.ts'
import { checkHealth } from './operations.ts'
import { type HttpServerOptions, requestLimits } from './options.ts'
import { Refused, renderProblem } from './problem.ts'
import type { Rendered } from './render.ts'
import { registerRoute } from './routes.ts'
import { sendWhole } from './send.ts'
import { createSockets, socketLimits } from './sockets.ts'
import { createStartSpan, endSpan } from './spans.ts'
import { newState, type RequestState } from './state.ts'
import { forgetStream, sendStream } from './stream.ts'
import type { HealthReport, HttpServer, Origin, Progress, Refusal } from './types.ts'

// Kept on the request itself: a look-up in a weak map, three times per request, is paid for again by the collector.
const STATE = Symbol('state of a request')
type Begun = IncomingMessage & { [STATE]?: RequestState }

/** The HTTP server that every service is served by: one set of rules for errors, limits, access, logs and metrics. */
export const createHttpServer = async <const R extends Routes>(options: HttpServerOptions<R>): Promise<HttpServer> => {
  const { service, runtime, errors } = options
  const limits = { ...requestLimits, ...options.limits }
  const logger = runtime.logger(service)
  const metrics = runtime.metrics(service)
  const observe = createObserver(metrics, logger, options.accessLog ?? true)
  const startSpan = createStartSpan(runtime.tracing, service)
  const allowed = createAllowedMethods()
  const answering = new Set<ServerResponse>()
  let draining = false

  /** Opens the books on a request; harmless when they are open. Whatever answers it, it is counted when it ends. */
  const begin = (request: Begun, response: ServerResponse, origin?: Origin): RequestState => {
    const known = request[STATE]
    if (known) return known
    const opened = newState(request, origin, startSpan)
    request[STATE] = opened
    if (draining) response.setHeader('connection', 'close')
    answering.add(response)
    // The path is read now: a router in front may change it afterwards.
    const path = pathOf(request)
    const end = (): void => {
      if (!answering.delete(response)) return
      // 499, as nginx says it: the caller left before the answer.
      const status = response.headersSent ? response.statusCode : 499
      observe(request.method ?? '', path, status, opened)
      if (opened.span) endSpan(opened.span, request.method ?? '', status, opened)
    }
    response.on('finish', end)
    response.on('close', end)
    return opened
  }
  const stateOf = (request: FastifyRequest): RequestState => {
    const known = (request.raw as Begun)[STATE]
    if (!known) throw new Error('This request was never begun.')
    return known
  }

  const refuse = (refusal: Refusal, state: RequestState, instance: string) =>
    renderProblem(errors, refusal, state, instance)
  // What is added beside the contract's routes may have hooks on its answers; nothing else needs Fastify to send one.
  const isDirect = options.extend === undefined
  const answer = (reply: FastifyReply, rendered: Rendered): FastifyReply => {
    const { body } = rendered
    if (!isDirect || body instanceof Readable) return send(withCommon(reply), rendered)
    sendWhole(reply.hijack().raw, { ...rendered, body }, stateOf(reply.request).headers)
    return reply
  }
  const withCommon = (reply: FastifyReply): FastifyReply =>
    reply.hasHeader('x-request-id') ? reply : reply.headers(stateOf(reply.request).headers)
  const send = (reply: FastifyReply, rendered: Rendered): FastifyReply => {
    reply.code(rendered.status).headers(rendered.headers)
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
    if (rendered.body instanceof Readable) return sendStream(reply, rendered.body, stateOf(reply.request), logger)
    return rendered.body.length === 0 && rendered.headers['content-type'] === undefined
      ? reply.send()
      : reply.send(rendered.body)
  }
  const fail = (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const known = begin(request.raw, reply.raw)
    // What Fastify itself refuses has not come past the first hook.
    if (!reply.hasHeader('x-request-id')) reply.headers(known.headers)
    forgetStream(reply)
    const rendered = refuse(refusalOf(error, known, logger), known, pathOf(request.raw))
    known.code = rendered.code
    send(reply, rendered)
  }

  const fastify = createFastify({
    logger: false,
    bodyLimit: limits.bodyBytes,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 512 },
    return503OnClosing: false,
    frameworkErrors: fail,
  })
  // Methods that nobody serves come in too, so that they are answered and counted like everything else.
  for (const method of METHODS) if (!fastify.supportedMethods.includes(method)) fastify.addHttpMethod(method)
  readBodies(fastify, options.routes, { maxDepth: limits.bodyDepth, stateOf })

  fastify.addHook('onRequest', (request, reply, done) => {
    const opened = begin(request.raw, reply.raw)
    // An answer of the contract's routes gets them when it is sent. On Fastify's reply, never on Node's response: fields
    // that are set there are checked, kept and copied one by one.
    if (specOf(request) === undefined) reply.headers(opened.headers)
    // Node's own limit drops what is beyond it without a word, an Authorization among it.
    if (request.raw.rawHeaders.length > limits.headerFields * 2) {
      return done(
        new Refused({ code: 'headers_too_large', detail: `A request may have ${limits.headerFields} header fields.` }),
      )
    }
    if (!request.is404) {
      opened.route = request.routeOptions.url ?? opened.route
      return done()
    }
    const methods = allowed.of(pathOf(request.raw))
    if (methods.length === 0) return done(new Refused('not_found'))
    done(new Refused({ code: 'not_found', headers: { allow: methods.join(', ') } }))
  })
  fastify.addHook('onRoute', (route) => {
    for (const method of [route.method].flat()) allowed.add(method, route.url)
  })
  fastify.setErrorHandler(fail)

  const healthReport = (): Promise<HealthReport> =>
    checkHealth(service, options.health, (dependency, error) =>
      logger.warn({ dependency, err: error }, 'dependency is down'),
    )
  const unready = async (): Promise<string | undefined> => (draining ? 'draining' : options.ready?.())
  let document: object | undefined
  const openapi = (): object => {
    document ??= buildOpenApi({ service, routes: options.routes, errors })
    return document
  }

  for (const [name, route] of Object.entries(options.routes)) {
    registerRoute(fastify, name, route, options, { stateOf, answer, refuse, limits })
  }
  registerEndpoints(fastify, {
    health: healthReport,
    metrics: () => metrics.registry.metrics(),
    openapi,
    ...options.operations,
    unready,
    metricsPublic: options.metricsPublic ?? runtime.environment !== 'production',
    metricsType: metrics.registry.contentType,
  })
  await options.extend?.(fastify)
  await fastify.ready()

  const serve = (request: IncomingMessage, response: ServerResponse, origin?: Origin): Progress => {
    const opened = begin(request, response, origin)
    fastify.routing(request, response)
    return opened
  }
  const socketOptions = { ...socketLimits, ...options.sockets }
  const sockets = createSockets({
    limits: socketOptions,
    serve,
    garbled: (error) => garbledAnswer(errors, error),
    inFlight: () => answering.size,
  })
  const drain = (): void => {
    draining = true
    for (const response of answering) if (!response.headersSent) response.setHeader('connection', 'close')
  }
  let closing: Promise<void> | undefined
  const end = async (): Promise<void> => {
    const deadline = Date.now() + socketOptions.drainTimeoutMs
    await sockets.close()
    // What another server handed in has no socket here, and is waited for all the same.
    while (answering.size > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10))
    await fastify.close()
  }

  return {
    fastify,
    handle: serve,
    listen: (host, port) => sockets.listen(host, port),
    drain,
    close: () => {
      drain()
      closing ??= end()
      return closing
    },
    openapi,
    healthReport,
    unready,
  }
}

const pathOf = (request: IncomingMessage): string => {
  const url = request.url ?? ''
  const question = url.indexOf('?')
  return question < 0 ? url : url.slice(0, question)
}
