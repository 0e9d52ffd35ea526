import { isRawContent, type RouteSpec } from '../contract/index.ts'
import { finalBody } from './answer.ts'
import type { HttpResponse } from './types.ts'

/**
 * An answer in its final form; header names in lower case. A body that is text stays text: Node sends it in one write
 * with the header, where bytes take a second one.
 */
export type Rendered = { status: number; headers: Record<string, string>; body: string | Buffer }

const JSON_HEADERS = { 'content-type': 'application/json; charset=utf-8' }

/**
 * Checks an answer against the contract and makes its bytes. Members that the schema does not name are left out, so
 * nothing leaves by accident; an answer that does not fit throws, which the caller sees as a bare 500.
 */
export const renderResponse = (name: string, route: RouteSpec, response: HttpResponse): Rendered => {
  const headers: Record<string, string> = {}
  for (const header in response.headers) headers[header.toLowerCase()] = response.headers[header] ?? ''
  const final = finalBody(response)
  if (final !== undefined) return { status: response.status, headers, body: final }

  const schema = route.responses[response.status]
  if (schema === undefined) throw new Error(`The answer ${response.status} of ${name} is not in its contract.`)
  if (schema === null) return { status: response.status, headers, body: '' }
  if (isRawContent(schema)) {
    const { body } = response
    if (typeof body !== 'string' && !Buffer.isBuffer(body)) {
      throw new Error(`The answer ${response.status} of ${name} is neither text nor bytes.`)
    }
    return { status: response.status, headers: { 'content-type': schema.contentType, ...headers }, body }
  }
  const parsed = schema.safeParse(response.body)
  if (!parsed.success) {
    const places = parsed.error.issues.map((issue) => `/${issue.path.map(String).join('/')} (${issue.code})`)
    throw new Error(`The answer ${response.status} of ${name} does not fit its contract at ${places.join(', ')}.`)
  }
  return { status: response.status, headers: { ...JSON_HEADERS, ...headers }, body: JSON.stringify(parsed.data) }
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
