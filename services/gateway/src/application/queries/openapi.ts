import { buildOpenApi, mergeOpenApi, type RouteLimit } from '@ashlar/platform/http'
import { gatewayErrors, operationalRoutes } from '../../contract.ts'
import { qualifyComponents } from '../../domain/qualified-components.ts'
import type { Route } from '../../domain/route-patterns.ts'

export type ServiceDocument = { service: string; document: object }

/**
 * One OpenAPI 3.1 document of a gateway at `publicUrl`: what the services behind it and its own routes document, and
 * the endpoints that every server has. Throws where two of them claim one path.
 */
export const openApiOf = (documents: readonly ServiceDocument[], publicUrl: string): object => {
  const info = {
    title: 'Ashlar',
    version: '1',
    description: 'Accounts, payments, notifications and audit behind one address.',
  }
  const operations = buildOpenApi({ service: 'gateway', routes: operationalRoutes, errors: gatewayErrors })
  const all = [...documents, { service: 'gateway', document: operations }]
  return { ...mergeOpenApi(info, qualifyComponents(all)), servers: [{ url: publicUrl }] }
}

type Operation = { security?: object[]; 'x-ashlar-limits'?: readonly RouteLimit[] }

/** Each route of a document. An operation that asks for no security scheme is public (OpenAPI 3.1, section 4.8.10). */
export const routesOf = (document: object): Route[] =>
  Object.entries((document as { paths?: Record<string, Record<string, Operation>> }).paths ?? {}).flatMap(
    ([path, operations]) =>
      Object.entries(operations).map(([method, operation]) => ({
        method: method.toUpperCase(),
        path,
        public: operation.security?.length === 0,
        limits: (operation['x-ashlar-limits'] ?? []).map(({ name, quota, windowSeconds }) => ({
          name,
          quota,
          windowMs: windowSeconds * 1_000,
        })),
      })),
  )
