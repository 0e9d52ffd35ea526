import type { FastifyInstance, FastifyReply } from 'fastify'
import type { Operations } from './options.ts'
import { Refused } from './problem.ts'

type Options = Operations & {
  /** Why this server should get no traffic now. */
  unready: () => Promise<string | undefined>
  metricsPublic: boolean
  metricsType: string
}

/**
 * Liveness says that the process answers; readiness whether it should get traffic; startup that it was ready once;
 * `/health` how each dependency is. 503 where the answer is no.
 */
export const registerEndpoints = (fastify: FastifyInstance, options: Options): void => {
  let started = false
  const json = (reply: FastifyReply, status: number, body: object): FastifyReply =>
    reply
      .code(status)
      .headers({ 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' })
      .send(JSON.stringify(body))
  const readiness = async (): Promise<string | undefined> => {
    const reason = await options.unready()
    if (reason === undefined) started = true
    return reason
  }

  fastify.get('/livez', (_request, reply) => json(reply, 200, { status: 'ok' }))
  fastify.get('/readyz', async (_request, reply) => {
    const reason = await readiness()
    return reason === undefined ? json(reply, 200, { status: 'ok' }) : json(reply, 503, { status: 'unready', reason })
  })
  fastify.get('/startupz', async (_request, reply) => {
    const reason = started ? undefined : await readiness()
    return reason === undefined ? json(reply, 200, { status: 'ok' }) : json(reply, 503, { status: 'starting', reason })
  })
  fastify.get('/health', async (_request, reply) => {
    const report = await options.health()
    return json(reply, report.status === 'ok' ? 200 : 503, report)
  })
  fastify.get('/openapi.json', async (_request, reply) => json(reply, 200, await options.openapi()))
  fastify.get('/metrics', async (_request, reply) => {
    if (!options.metricsPublic) throw new Refused('not_found')
    return reply
      .code(200)
      .header('content-type', options.metricsType)
      .send(await options.metrics())
  })
}
