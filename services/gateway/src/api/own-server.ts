import { ok } from '@ashlar/kernel'
import { createHttpServer, type HttpServer } from '@ashlar/platform/http'
import type { Runtime } from '@ashlar/platform/runtime'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { AUTH_PATHS, followMailLink } from '../application/commands/follow-mail-link.ts'
import type { DevTools, Passport, ReferenceAssets, Upstream } from '../application/ports.ts'
import { createHealth } from '../application/queries/health.ts'
import { devRoutes, gatewayErrors, gatewayRoutes } from '../contract.ts'
import { UPSTREAM_NAMES, type UpstreamName } from '../domain/prefixes.ts'
import { POLICY, REPORT_ONLY_POLICY } from '../domain/security-headers.ts'
import { createCspReports } from './csp-reports.ts'
import { mailLinkRoutes } from './mail-link-routes.ts'
import { homePage } from './pages/home.ts'
import type { Page } from './pages/layout.ts'
import { MAIL_LINKS } from './pages/mail-link.ts'
import { mailboxPage } from './pages/mailbox.ts'
import { referenceRoutes } from './reference-routes.ts'

export type OwnServerDeps = {
  runtime: Runtime
  upstreams: Record<UpstreamName, Upstream>
  metricsPublic: boolean
  metrics(): Promise<string>
  openapi(): object
  /** Whether a service behind the gateway has this route. */
  serves(method: string, path: string): boolean
  passportOf(request: FastifyRequest): Passport
  reference: ReferenceAssets
  /** Browsers tell of what breaks the policy of a page, and do not stop it. */
  reportOnly: boolean
  refuseWrites?: () => boolean
  dev?: DevTools
}

const shown = ({ headers, body }: Page) => ok({ status: 200, headers, body })

/** The endpoints and pages that the gateway answers itself. */
export const createOwnServer = (deps: OwnServerDeps): Promise<HttpServer> => {
  const { runtime, upstreams, metricsPublic, metrics, openapi, serves, passportOf, dev } = deps
  const health = createHealth(upstreams)
  const follow = followMailLink({ auth: upstreams.auth, refuseWrites: deps.refuseWrites })
  const log = runtime.logger('gateway')
  const links = MAIL_LINKS.filter(({ path }) => serves('POST', AUTH_PATHS[path]))

  const everywhere = {
    home: async () => shown(homePage({ metrics: metricsPublic, mailbox: dev !== undefined })),
    serviceHealth: async ({ params }: { params: { service: UpstreamName } }) => {
      const report = await health.of(params.service)
      return ok({ status: report.status === 'ok' ? 200 : 503, body: report })
    },
    cspReport: createCspReports(runtime.metrics('gateway'), log),
  }
  const inDevelopment = (tools: DevTools) => ({
    mailboxPage: async ({ query }: { query: { to?: string } }) => {
      const { data } = await tools.mailbox.list({ ...query, limit: 50 })
      return shown(mailboxPage(data, query.to))
    },
    mailboxMessages: async ({ query }: { query: { to?: string; limit: number } }) =>
      ok({ status: 200, body: await tools.mailbox.list(query) }),
    sandboxCharges: async ({ query }: { query: { transactionId: string } }) =>
      ok({ status: 200, body: { data: await tools.charges(query) } }),
  })

  const common = {
    service: 'gateway' as const,
    runtime,
    errors: gatewayErrors,
    health: {},
    accessLog: false,
    metricsPublic,
    operations: { health: health.all, metrics, openapi },
    ready: async () => {
      const reasons = await Promise.all(UPSTREAM_NAMES.map((name) => upstreams[name].unready()))
      const at = reasons.findIndex((reason) => reason !== undefined)
      return at < 0 ? undefined : `${UPSTREAM_NAMES[at]}: ${reasons[at]}`
    },
    extend: async (fastify: HttpServer['fastify']) => {
      if (deps.reportOnly) fastify.addHook('onSend', async (_request, reply) => renamePolicy(reply))
      await fastify.register(mailLinkRoutes({ links, follow, passportOf, log }))
      await fastify.register(referenceRoutes(deps.reference))
    },
  }
  return dev
    ? createHttpServer({
        ...common,
        routes: { ...gatewayRoutes, ...devRoutes },
        handlers: { ...everywhere, ...inDevelopment(dev) },
      })
    : createHttpServer({ ...common, routes: gatewayRoutes, handlers: everywhere })
}

/** The policy of a page takes the place of the one for all answers, which carries the other name already. */
const renamePolicy = (reply: FastifyReply): void => {
  const policy = reply.getHeader(POLICY)
  if (policy === undefined) return
  reply.removeHeader(POLICY).header(REPORT_ONLY_POLICY, policy)
}
