/** What a code means on the wire: its HTTP status and the title of its problem. `detail` is the sentence used where the refusal brings none. */
export type ErrorDefinition = { readonly status: number; readonly title: string; readonly detail?: string }
export type ErrorTable = Readonly<Record<string, ErrorDefinition>>

/** Codes that the HTTP layer itself answers with, the same in every service. */
export const commonErrors = {
  validation_failed: { status: 400, title: 'The request is not valid' },
  idempotency_key_required: { status: 400, title: 'A usable Idempotency-Key is required' },
  cursor_invalid: { status: 400, title: 'The cursor is not valid for this list' },
  path_invalid: { status: 400, title: 'The path is not valid' },
  access_token_invalid: { status: 401, title: 'A valid access token is required' },
  access_token_stale: { status: 401, title: 'The rights of this session changed; refresh the token' },
  forbidden: { status: 403, title: 'The caller may not do this' },
  reauthentication_required: { status: 403, title: 'A recent sign-in is required' },
  not_found: { status: 404, title: 'Not found' },
  method_not_allowed: { status: 405, title: 'The method is not allowed here' },
  request_timeout: { status: 408, title: 'The request did not arrive in time' },
  request_in_progress: { status: 409, title: 'A request with this Idempotency-Key is still running' },
  precondition_failed: { status: 412, title: 'The precondition failed' },
  body_too_large: { status: 413, title: 'The body is too large' },
  media_type_unsupported: { status: 415, title: 'The body must be JSON' },
  idempotency_key_reused: { status: 422, title: 'The Idempotency-Key was used with another body' },
  rate_limited: { status: 429, title: 'Too many requests' },
  headers_too_large: { status: 431, title: 'Too many or too large header fields' },
  internal_error: { status: 500, title: 'Something went wrong on our side' },
  overloaded: { status: 503, title: 'Too busy at the moment' },
  dependency_unavailable: { status: 503, title: 'A part that this needs is not reachable at the moment' },
} as const satisfies ErrorTable

export type CommonCode = keyof typeof commonErrors

/** The closed table of a service's codes, with the common ones included. A common code cannot be given another status. */
export const defineErrors = <const T extends ErrorTable>(own: T): T & typeof commonErrors => {
  const common: ErrorTable = commonErrors
  for (const [code, definition] of Object.entries(own)) {
    if (!/^[a-z][a-z0-9_]*$/.test(code)) throw new Error(`The error code "${code}" is not in snake case.`)
    if (definition.status < 400 || definition.status > 599)
      throw new Error(`The error code "${code}" has no error status.`)
    const shared = common[code]
    if (shared && shared.status !== definition.status) {
      throw new Error(
        `The error code "${code}" has status ${shared.status} in every service, not ${definition.status}.`,
      )
    }
  }
  return { ...commonErrors, ...own }
}
