import { Readable } from 'node:stream'
import type { z } from 'zod'
import { isRawContent, type RouteSpec } from '../contract/index.ts'
import { finalBody } from './answer.ts'
import type { HttpResponse } from './types.ts'

/**
 * An answer in its final form; header names in lower case. A body that is text stays text: Node sends it in one write
 * with the header, where bytes take a second one. A stream goes through piece by piece.
 */
export type Rendered = { status: number; headers: Record<string, string>; body: string | Buffer | Readable }

const JSON_HEADERS = { 'content-type': 'application/json; charset=utf-8' }

/**
 * Checks an answer against the contract and makes its bytes. Members that the schema does not name are left out, so
 * nothing leaves by accident; an answer that does not fit throws, which the caller sees as a bare 500. A body that is
 * frozen stays as it is, with all that is in it: it is checked and written once, however often it is the answer.
 */
export const createRenderer = (name: string, route: RouteSpec): ((response: HttpResponse) => Rendered) => {
  const written = new WeakMap<z.ZodType, WeakMap<object, string>>()

  const write = (status: number, schema: z.ZodType, body: unknown): string => {
    const parsed = schema.safeParse(body)
    if (parsed.success) return JSON.stringify(parsed.data)
    const places = parsed.error.issues.map((issue) => `/${issue.path.map(String).join('/')} (${issue.code})`)
    throw new Error(`The answer ${status} of ${name} does not fit its contract at ${places.join(', ')}.`)
  }
  const textOf = (status: number, schema: z.ZodType, body: unknown): string => {
    if (typeof body !== 'object' || body === null || !Object.isFrozen(body)) return write(status, schema, body)
    const known = written.get(schema) ?? new WeakMap<object, string>()
    written.set(schema, known)
    const text = known.get(body) ?? write(status, schema, body)
    known.set(body, text)
    return text
  }

  return (response) => {
    const { status, body } = response
    const headers: Record<string, string> = {}
    for (const header in response.headers) headers[header.toLowerCase()] = response.headers[header] ?? ''
    const final = finalBody(response)
    if (final !== undefined) return { status, headers, body: final }

    const schema = route.responses[status]
    if (schema === undefined) throw new Error(`The answer ${status} of ${name} is not in its contract.`)
    if (schema === null) return { status, headers, body: '' }
    if (isRawContent(schema)) {
      if (typeof body !== 'string' && !Buffer.isBuffer(body) && !(body instanceof Readable)) {
        throw new Error(`The answer ${status} of ${name} is neither text nor bytes nor a stream.`)
      }
      return { status, headers: { 'content-type': schema.contentType, ...headers }, body }
    }
    return { status, headers: { ...JSON_HEADERS, ...headers }, body: textOf(status, schema, body) }
  }
}

/** `Link: rel="next"` for a list with a further page: the same query with the new cursor. */
export const nextLink = (url: string, response: HttpResponse): string | undefined => {
  const page = (response.body as { page?: { nextCursor?: unknown } } | undefined)?.page
  if (typeof page?.nextCursor !== 'string') return undefined
  const question = url.indexOf('?')
  const query = new URLSearchParams(question < 0 ? '' : url.slice(question + 1))
  query.set('cursor', page.nextCursor)
  return `<?${query}>; rel="next"`
}
