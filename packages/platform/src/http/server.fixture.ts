import { request as nodeRequest } from 'node:http'
import { connect } from 'node:net'
import { err, ok } from '@ashlar/kernel'
import { z } from 'zod'
import { content, defineErrors, defineRoute, pageOf, pageQuery, uuid } from '../contract/index.ts'
import { DependencyUnavailable } from '../postgres/index.ts'
import { testRuntime } from '../testing/index.ts'
import { type Caller, createHttpServer, type HttpServerOptions } from './index.ts'

export const errors = defineErrors({
  shelf_full: { status: 409, title: 'The shelf is full' },
  odd_title: { status: 422, title: 'The title is odd' },
})

const book = z.object({ id: uuid, title: z.string() })

export const routes = {
  echo: defineRoute({
    method: 'POST',
    path: '/echo',
    summary: 'Says back what it was told',
    access: 'public',
    body: z.object({ title: z.string().max(20), more: z.record(z.string(), z.unknown()).optional() }),
    responses: { 200: z.object({ title: z.string() }) },
    errors: ['shelf_full', 'odd_title'],
  }),
  book: defineRoute({
    method: 'GET',
    path: '/books/:id',
    summary: 'One book',
    access: 'public',
    params: z.object({ id: uuid }),
    responses: { 200: book },
    errors: ['not_found'],
  }),
  list: defineRoute({
    method: 'GET',
    path: '/books',
    summary: 'Books, page by page',
    access: 'public',
    query: pageQuery({ author: z.string().optional() }),
    responses: { 200: pageOf(z.object({ n: z.number() })) },
  }),
  me: defineRoute({
    method: 'GET',
    path: '/me',
    summary: 'Who calls',
    access: 'user',
    responses: { 200: z.object({ userId: z.string(), ip: z.string() }) },
  }),
  audit: defineRoute({
    method: 'GET',
    path: '/audit',
    summary: 'For auditors',
    access: { permission: 'audit:read' },
    responses: { 204: null },
  }),
  erase: defineRoute({
    method: 'DELETE',
    path: '/me',
    summary: 'Asks for a recent sign-in',
    access: 'user',
    recent: true,
    responses: { 204: null },
  }),
  broken: defineRoute({
    method: 'GET',
    path: '/broken/:how',
    summary: 'Fails in many ways',
    access: 'public',
    responses: { 200: book },
  }),
  slow: defineRoute({
    method: 'POST',
    path: '/slow',
    summary: 'Takes its time',
    access: 'public',
    responses: { 200: z.object({ done: z.boolean() }) },
  }),
  page: defineRoute({
    method: 'GET',
    path: '/page',
    summary: 'A page',
    access: 'public',
    hidden: true,
    responses: { 200: content('text/html; charset=utf-8') },
  }),
} as const

export const caller: Caller = {
  userId: '0193a6f0-0000-7000-8000-000000000001',
  sessionId: '0193a6f0-0000-7000-8000-000000000002',
  email: 'ada@example.org',
  roles: ['user'],
  permissions: [],
  authTime: 0,
  amr: ['pwd'],
  claims: {},
}

/** A server with one route of each kind, listening on a free port. `good` is the only token it takes, `stale` one to refresh. */
export const startServer = async (more: Partial<HttpServerOptions<typeof routes>> = {}) => {
  const runtime = testRuntime()
  const now = () => Math.floor(runtime.clock.now().getTime() / 1000)
  const release: (() => void)[] = []
  const seen: unknown[] = []
  const server = await createHttpServer({
    service: 'payments',
    runtime,
    routes,
    errors,
    health: { database: async () => {} },
    authenticator: {
      authenticate: async (token) => {
        if (token === 'good') return ok({ ...caller, authTime: now() - 60 })
        if (token === 'old') return ok({ ...caller, authTime: now() - 601 })
        if (token === 'auditor') return ok({ ...caller, permissions: ['audit:read'] })
        return err(token === 'stale' ? 'access_token_stale' : 'access_token_invalid')
      },
    },
    handlers: {
      echo: async ({ body }) => {
        seen.push(runtime.context.current())
        if (body.title === 'full') return err('shelf_full')
        if (body.title === 'odd') {
          return err({
            code: 'odd_title',
            detail: 'Quite odd.',
            errors: [{ pointer: '/title', code: 'odd', detail: 'Odd.' }],
          })
        }
        return ok({ status: 200, body: { title: body.title, secret: 'never sent' } })
      },
      book: async ({ params }) => ok({ status: 200, body: { id: params.id, title: 'Emma' }, headers: { ETag: '"1"' } }),
      list: async ({ query, cursors }) => {
        let from = 0
        if (query.cursor !== undefined) {
          const position = cursors.decode<{ from: number }>({ author: query.author ?? null }, query.cursor)
          if (!position.ok) return position
          from = position.value.from
        }
        const nextCursor = cursors.encode({ author: query.author ?? null }, { from: from + query.limit })
        return ok({ status: 200, body: { data: [{ n: from }], page: { nextCursor, hasMore: true } } })
      },
      me: async (input) => ok({ status: 200, body: { userId: input.caller.userId, ip: input.ip } }),
      audit: async () => ok({ status: 204 }),
      erase: async () => ok({ status: 204 }),
      broken: async ({ params }) => {
        if (params.how === 'database')
          throw new DependencyUnavailable('payments', new Error('connect ECONNREFUSED 10.1.2.3'))
        if (params.how === 'schema') return ok({ status: 200, body: { id: 'topsecret', title: 5 } })
        if (params.how === 'status') return ok({ status: 299, body: {} })
        throw Object.assign(new Error('the password is hunter2'), { detail: 'Key (email)=(ada@example.org)' })
      },
      slow: async () => {
        await new Promise<void>((resolve) => release.push(resolve))
        return ok({ status: 200, body: { done: true } })
      },
      page: async () => ok({ status: 200, body: '<p>hello</p>' }),
    },
    ...more,
  })
  const port = await server.listen('127.0.0.1', 0)
  return { runtime, server, port, release, seen }
}

export type Reply = {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  json: () => Problem
}
export type Problem = Record<string, unknown> & { code?: string; errors?: { pointer: string; code: string }[] }

type Ask = { method?: string; headers?: Record<string, string | string[]>; body?: string | Buffer; json?: unknown }

/** One request on a connection of its own. */
export const ask = (port: number, path: string, { method, headers, body, json }: Ask = {}): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const payload = json === undefined ? body : JSON.stringify(json)
    const type = json === undefined ? {} : { 'content-type': 'application/json' }
    const request = nodeRequest(
      {
        port,
        host: '127.0.0.1',
        path,
        method: method ?? (payload === undefined ? 'GET' : 'POST'),
        agent: false,
        headers: {
          ...type,
          ...(payload === undefined ? {} : { 'content-length': Buffer.byteLength(payload) }),
          ...headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            json: () => JSON.parse(text) as Problem,
          })
        })
      },
    )
    request.on('error', reject)
    request.end(payload)
  })

/** Writes bytes on a socket and answers everything that came back until the other side closed. */
export const raw = (port: number, text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text, 'latin1'))
    let received = ''
    socket.on('data', (chunk) => {
      received += chunk.toString('utf8')
    })
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' ? resolve(received) : reject(error),
    )
    socket.on('close', () => resolve(received))
  })
