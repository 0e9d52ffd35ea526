import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { newTraceparent } from '@ashlar/platform/context'
import { type HttpServer, renderProblem } from '@ashlar/platform/http'
import { type GatewayCode, gatewayErrors } from '../contract.ts'
import { loopbackHosts } from '../domain/hosts.ts'

const HEALTH = /^\/(?:livez|readyz|startupz|health(?:\/[a-z]+)?)$/

type Deps = {
  own: HttpServer
  metrics(): Promise<string>
  metricsType: string
  securityHeaders: Readonly<Record<string, string>>
}

/**
 * What the management port serves: metrics and health, to whoever is on this machine. It asks for a loopback name in
 * `Host`, so that a page of another site cannot read it through the browser of somebody who sits here.
 */
export const createManagement =
  ({ own, metrics, metricsType, securityHeaders }: Deps) =>
  (request: IncomingMessage, response: ServerResponse): void => {
    const path = (request.url ?? '').split('?', 1)[0] ?? ''
    const end = (status: number, headers: Record<string, string>, body: string): void => {
      response.writeHead(status, { ...securityHeaders, ...headers, 'content-length': Buffer.byteLength(body) })
      response.end(body)
    }
    const refuse = (code: GatewayCode): void => {
      const about = { requestId: randomUUID(), traceparent: newTraceparent() }
      const { status, headers, body } = renderProblem(gatewayErrors, code, about, HEALTH.test(path) ? path : '')
      end(status, { ...headers, 'x-request-id': about.requestId }, body)
    }

    if (!loopbackHosts(request.headers.host)) refuse('host_unknown')
    else if (request.method !== 'GET' && request.method !== 'HEAD') refuse('method_not_allowed')
    else if (HEALTH.test(path)) own.handle(request, response, { headers: securityHeaders })
    else if (path !== '/metrics') refuse('not_found')
    else {
      metrics().then(
        (text) => end(200, { 'content-type': metricsType }, text),
        () => refuse('internal_error'),
      )
    }
  }
