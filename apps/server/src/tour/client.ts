import { randomUUID } from 'node:crypto'

export type Answer = { status: number; body: Record<string, unknown>; headers: Headers; requestId: string }

export type Call = {
  method: 'GET' | 'POST' | 'DELETE'
  path: string
  token?: string
  body?: unknown
  idempotencyKey?: string
}

/** Something was not as the story tells it. */
export class NotAsTold extends Error {}

/** A client as anybody would write one: JSON over HTTP, with a request id of its own for each call. */
export const createClient = (baseUrl: string) => {
  const call = async ({ method, path, token, body, idempotencyKey }: Call): Promise<Answer> => {
    const requestId = `tour-${randomUUID()}`
    const response = await fetch(new URL(path, baseUrl), {
      method,
      headers: {
        'x-request-id': requestId,
        ...(token && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(idempotencyKey && { 'idempotency-key': idempotencyKey }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json') === true
    return {
      status: response.status,
      body: isJson ? (JSON.parse(text) as Record<string, unknown>) : { text },
      headers: response.headers,
      requestId,
    }
  }

  /** Calls, and refuses any other status than the one the story tells. */
  const expect = async (status: number, request: Call): Promise<Answer> => {
    const answer = await call(request)
    if (answer.status !== status) {
      const { method, path } = request
      throw new NotAsTold(`${method} ${path} answered ${answer.status}, not ${status}: ${JSON.stringify(answer.body)}`)
    }
    return answer
  }
  return { call, expect }
}

export type Client = ReturnType<typeof createClient>

const PATIENCE_MS = 30_000

/** Asks again until there is an answer; what does not come within half a minute is not as told. */
export const eventually = async <T>(what: string, ask: () => Promise<T | undefined>): Promise<T> => {
  const deadline = Date.now() + PATIENCE_MS
  for (let pauseMs = 50; Date.now() < deadline; pauseMs = Math.min(pauseMs * 2, 800)) {
    const found = await ask()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
  throw new NotAsTold(`waited half a minute in vain for ${what}`)
}
