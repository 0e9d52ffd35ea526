import type { HttpServer } from '@ashlar/platform/http'
import type { Upstream } from '../application/ports.ts'

/** A service of this process: a function call, no socket. */
export const createInProcessUpstream = (http: HttpServer): Upstream => ({
  forward: (request, response, passport) => http.handle(request, response, { ...passport, logged: true }),

  call: async ({ method, path, body, passport }) => {
    const answer = await http.fastify.inject({
      method,
      url: path,
      remoteAddress: passport.ip,
      headers: { 'x-request-id': passport.requestId, traceparent: passport.traceparent },
      ...(body === undefined ? {} : { payload: body as object }),
    })
    return { status: answer.statusCode, body: answer.payload === '' ? undefined : answer.json() }
  },

  health: () => http.healthReport(),
  unready: () => http.unready(),
  openapi: () => http.openapi(),
})
