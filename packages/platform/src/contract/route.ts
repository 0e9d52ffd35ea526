import type { z } from 'zod'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** Who may call: anyone, any signed-in user, or users who hold the permission. */
export type Access = 'public' | 'user' | { readonly permission: string }

/** A response that is not JSON: sent as it is (text, bytes, or a stream that is never held whole), not checked. */
export type RawContent = {
  readonly contentType: string
  /** Further media types that the handler may answer with, by a `Content-Type` of its own. */
  readonly others?: readonly string[]
}

/** How many requests one client address may make in a window; `name` stands in the policy that the caller is shown. */
export type RouteLimit = {
  readonly name: string
  readonly quota: number
  readonly windowSeconds: number
  readonly by: 'address'
}

export type RouteSpec = {
  readonly method: Method
  /** Fastify's pattern: `/payments/:id`. */
  readonly path: `/${string}`
  readonly summary: string
  readonly description?: string
  readonly access: Access
  /** Values are strings. One that does not parse answers 404: an id that is not well formed names nothing. */
  readonly params?: z.ZodType
  /** Values are strings, or arrays of them where a name is repeated. */
  readonly query?: z.ZodType
  /** An object schema is made strict; nested objects must be strict by themselves. */
  readonly body?: z.ZodType
  /**
   * The handler also gets the bytes as they came, for signatures. Without a `body` schema nothing is parsed: who must
   * check a signature before he believes a byte leaves the schema out.
   */
  readonly rawBody?: true
  /** Media types that are read as JSON beside `application/json` and `…+json`, in lower case. */
  readonly consumes?: readonly string[]
  /** For bodies whose form a third party rules (webhooks, reports): fields that the schema does not name are left out. */
  readonly unknownFields?: 'ignore'
  /** `transaction`: the key lives and dies with the one transaction of the write. `lease`: for writes that call out. */
  readonly idempotency?: 'transaction' | 'lease'
  /** By status; `null` is a response without a body. */
  readonly responses: Readonly<Record<number, z.ZodType | RawContent | null>>
  /** The codes that the handler may refuse with. Those of the HTTP layer are implied. */
  readonly errors?: readonly string[]
  /** Asks for an `auth_time` of at most ten minutes ago. */
  readonly recent?: true
  /** Counted by the gateway, which knows the client; a service does not enforce them. In OpenAPI: `x-ashlar-limits`. */
  readonly limits?: readonly RouteLimit[]
  /** Served, but left out of the OpenAPI document. */
  readonly hidden?: true
}

/** The routes of a service by the name of their verb, which is also the operation id. */
export type Routes = Readonly<Record<string, RouteSpec>>

/** One endpoint, stated once: validation, types, access and OpenAPI follow from it. */
export const defineRoute = <const R extends RouteSpec>(route: R): R => route

/** A response of another media type than JSON, e.g. `content('text/html; charset=utf-8')`. */
export const content = (contentType: string, ...others: string[]): RawContent => ({ contentType, others })

export const isRawContent = (response: z.ZodType | RawContent | null): response is RawContent =>
  response !== null && 'contentType' in response
