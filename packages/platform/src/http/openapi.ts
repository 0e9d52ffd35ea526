import { STATUS_CODES } from 'node:http'
import { z } from 'zod'
import {
  type CommonCode,
  type ErrorTable,
  isRawContent,
  problem,
  type RouteSpec,
  type Routes,
} from '../contract/index.ts'
import { createSchemas, type JsonSchema, type Schemas } from './schemas.ts'
import { bodySchema } from './validate.ts'

type OpenApi = {
  openapi: '3.1.0'
  info: { title: string; version: string; description?: string }
  paths: Record<string, Record<string, unknown>>
  components: Record<string, Record<string, unknown>>
  tags?: { name: string }[]
}

const JSON_CONTENT = 'application/json'
const PROBLEM_CONTENT = 'application/problem+json'

/** The OpenAPI 3.1 document of a service's routes: what it states is what the server enforces. */
export const buildOpenApi = ({
  service,
  routes,
  errors,
}: {
  service: string
  routes: Routes
  errors: ErrorTable
}): OpenApi => {
  const schemas = createSchemas()
  schemas.named('Problem', problem)
  const paths: OpenApi['paths'] = {}
  for (const [name, route] of Object.entries(routes)) {
    if (route.hidden) continue
    const path = route.path.replace(/:(\w+)/g, '{$1}')
    paths[path] ??= {}
    paths[path][route.method.toLowerCase()] = describe(service, name, route, errors, schemas)
  }
  return {
    openapi: '3.1.0',
    info: { title: `Ashlar ${service}`, version: '1' },
    tags: [{ name: service }],
    paths,
    components: {
      schemas: schemas.all(),
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
    },
  }
}

const describe = (service: string, name: string, route: RouteSpec, errors: ErrorTable, schemas: Schemas): object => {
  const { access } = route
  const notes = [
    route.description,
    typeof access === 'object' ? `Needs the permission \`${access.permission}\`.` : undefined,
    route.recent ? 'Needs a sign-in of the last ten minutes.' : undefined,
  ].filter((note) => note !== undefined)
  return {
    operationId: `${service}.${name}`,
    tags: [service],
    summary: route.summary,
    ...(notes.length > 0 && { description: notes.join('\n\n') }),
    security: access === 'public' ? [] : [{ bearer: [] }],
    parameters: parametersOf(name, route, schemas),
    ...(route.limits && { 'x-ashlar-limits': route.limits }),
    ...bodyOf(name, route, schemas),
    responses: withRefusals(answersOf(name, route, schemas), refusalsOf(route, errors)),
  }
}

const bodyOf = (name: string, route: RouteSpec, schemas: Schemas): object => {
  if (!route.body && !route.rawBody) return {}
  const body = bodySchema(route, name)
  const media = { schema: body ? schemas.input(body, name) : {} }
  const types = [JSON_CONTENT, ...(route.consumes ?? [])]
  return { requestBody: { required: true, content: Object.fromEntries(types.map((type) => [type, media])) } }
}

const parametersOf = (name: string, route: RouteSpec, schemas: Schemas): object[] => {
  const inPath = [...route.path.matchAll(/:(\w+)/g)].map(([, parameter = '']) => parameter)
  const paramsSchema = route.params ? schemas.input(route.params, name) : {}
  const querySchema = route.query ? schemas.input(route.query, name) : {}
  const required = new Set(querySchema.required ?? [])
  const parameters: object[] = inPath.map((parameter) => ({
    name: parameter,
    in: 'path',
    required: true,
    schema: paramsSchema.properties?.[parameter] ?? { type: 'string' },
  }))
  for (const [parameter, schema] of Object.entries(querySchema.properties ?? {})) {
    parameters.push({ name: parameter, in: 'query', required: required.has(parameter), schema })
  }
  if (route.idempotency) {
    parameters.push({
      name: 'Idempotency-Key',
      in: 'header',
      required: true,
      description:
        'One effect per key: a repeat with the same body gets the same answer, with `Idempotent-Replayed: true`.',
      schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$' },
    })
  }
  if (route.errors?.includes('precondition_failed')) {
    parameters.push({
      name: 'If-Match',
      in: 'header',
      required: false,
      description: 'The `ETag` of the version that is meant to be changed; 412 where it is another one by now.',
      schema: { type: 'string' },
    })
  }
  return parameters
}

const header = (description: string): object => ({ description, schema: { type: 'string' } })

const answersOf = (name: string, route: RouteSpec, schemas: Schemas): Record<string, Answer> =>
  Object.fromEntries(
    Object.entries(route.responses).map(([status, schema]) => {
      const headers: Record<string, object> = {
        'X-Request-ID': header('The id of this request in every log, event and audit entry.'),
      }
      if (route.idempotency)
        headers['Idempotent-Replayed'] = header('`true` where this is the kept answer of an earlier request.')
      if (route.query && schema && !isRawContent(schema))
        headers.Link = header('`rel="next"`: the next page, where there is one.')
      return [
        status,
        {
          description: STATUS_CODES[status] ?? 'Done',
          headers,
          ...(schema !== null && {
            content: isRawContent(schema)
              ? rawContentOf([schema.contentType, ...(schema.others ?? [])])
              : { [JSON_CONTENT]: { schema: schemas.output(schema, name) } },
          }),
        },
      ]
    }),
  )

const rawContentOf = (types: readonly string[]): object =>
  Object.fromEntries(types.map((type) => [type.split(';')[0] ?? type, { schema: { type: 'string' } }]))

const takesCursor = ({ query }: RouteSpec): boolean => query instanceof z.ZodObject && 'cursor' in query.shape

/** The codes that the HTTP layer itself adds to those that a route names. */
const impliedCodes = (route: RouteSpec): CommonCode[] => [
  ...(route.body || route.query ? (['validation_failed'] as const) : []),
  ...(route.body || route.rawBody ? (['body_too_large', 'media_type_unsupported'] as const) : []),
  ...(takesCursor(route) ? (['cursor_invalid'] as const) : []),
  ...(route.params ? (['not_found', 'path_invalid'] as const) : []),
  ...(route.access === 'public' ? [] : (['access_token_invalid', 'access_token_stale'] as const)),
  ...(typeof route.access === 'object' ? (['forbidden'] as const) : []),
  ...(route.recent ? (['reauthentication_required'] as const) : []),
  ...(route.idempotency
    ? (['idempotency_key_required', 'request_in_progress', 'idempotency_key_reused'] as const)
    : []),
  'rate_limited',
  'headers_too_large',
  'internal_error',
  'overloaded',
  'dependency_unavailable',
]

type Answer = { description: string; headers?: object; content?: object }

/** A status that is an answer and a refusal too, as 503 is of a health report, is told of with both bodies. */
const withRefusals = (answers: Record<string, Answer>, refusals: Record<string, Answer>): Record<string, Answer> => {
  const all = { ...answers }
  for (const [status, refusal] of Object.entries(refusals)) {
    const known = answers[status]
    all[status] = known
      ? {
          description: `${known.description}; ${refusal.description}`,
          headers: { ...known.headers, ...refusal.headers },
          content: { ...known.content, ...refusal.content },
        }
      : refusal
  }
  return all
}

const refusalsOf = (route: RouteSpec, errors: ErrorTable): Record<string, Answer> => {
  const byStatus = new Map<number, string[]>()
  for (const code of new Set([...(route.errors ?? []), ...impliedCodes(route)])) {
    const status = errors[code]?.status
    if (status !== undefined) byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      String(status),
      {
        description: codes.map((code) => `\`${code}\`: ${errors[code]?.title}`).join('; '),
        ...((status === 429 || status === 503) && { headers: { 'Retry-After': header('Seconds to wait.') } }),
        content: {
          [PROBLEM_CONTENT]: {
            schema: { allOf: [{ $ref: '#/components/schemas/Problem' }, { properties: { code: { enum: codes } } }] },
          },
        },
      },
    ]),
  )
}

/** One document out of several; the same path and method in two of them is a mistake and throws. */
export const mergeOpenApi = (info: OpenApi['info'], documents: readonly object[]): OpenApi => {
  const merged: OpenApi = { openapi: '3.1.0', info, tags: [], paths: {}, components: {} }
  for (const document of documents as readonly OpenApi[]) {
    for (const tag of document.tags ?? []) {
      if (!merged.tags?.some(({ name }) => name === tag.name)) merged.tags?.push(tag)
    }
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const [method, operation] of Object.entries(operations)) {
        merged.paths[path] ??= {}
        if (merged.paths[path][method]) throw new Error(`${method.toUpperCase()} ${path} is described twice.`)
        merged.paths[path][method] = operation
      }
    }
    for (const [section, members] of Object.entries(document.components)) {
      merged.components[section] ??= {}
      for (const [name, member] of Object.entries(members)) {
        const known = merged.components[section][name]
        if (known && JSON.stringify(known) !== JSON.stringify(member))
          throw new Error(`Two documents disagree about ${section}/${name}.`)
        merged.components[section][name] = member
      }
    }
  }
  return merged
}

export type { JsonSchema }
