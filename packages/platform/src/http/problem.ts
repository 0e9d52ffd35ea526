import { traceIdOf } from '../context/index.ts'
import type { ErrorTable } from '../contract/index.ts'
import type { RequestState } from './state.ts'
import type { FieldError, Refusal } from './types.ts'

/** Ends a request with a refusal from wherever the HTTP layer finds the reason. */
export class Refused extends Error {
  override name = 'Refused'
  readonly refusal: Refusal

  constructor(refusal: Refusal) {
    super(typeof refusal === 'string' ? refusal : refusal.code)
    this.refusal = refusal
  }
}

export const invalid = (...errors: FieldError[]): Refused =>
  new Refused({ code: 'validation_failed', detail: 'Some values are missing or not valid.', errors })

export type RenderedProblem = { status: number; code: string; headers: Record<string, string>; body: string }

/** Seconds after which a caller who was told 503 may come back. */
const RETRY_AFTER = '2'

/**
 * Renders a refusal as `application/problem+json` (RFC 9457). `instance` is the path without its query, which may
 * carry a secret. A code that the table does not know is a mistake of ours: 500.
 */
export const renderProblem = (
  errors: ErrorTable,
  refusal: Refusal,
  state: Pick<RequestState, 'requestId' | 'traceparent'>,
  instance: string,
): RenderedProblem => {
  const asked = typeof refusal === 'string' ? { code: refusal } : refusal
  const known = Object.hasOwn(errors, asked.code)
  const {
    code,
    detail,
    errors: fields,
    headers,
  } = known ? { detail: undefined, errors: undefined, headers: undefined, ...asked } : INTERNAL
  const definition = errors[code] ?? { status: 500, title: 'Something went wrong on our side' }
  const { status } = definition

  const body = {
    type: `urn:ashlar:problem:${code}`,
    title: definition.title,
    status,
    detail: detail ?? definition.detail ?? `${definition.title}.`,
    instance,
    code,
    requestId: state.requestId,
    traceId: traceIdOf(state.traceparent),
    ...(fields && fields.length > 0 ? { errors: fields } : {}),
  }
  const rendered: Record<string, string> = { 'content-type': 'application/problem+json; charset=utf-8' }
  if (status === 401) rendered['www-authenticate'] = 'Bearer'
  if (status === 503 || code === 'request_in_progress') rendered['retry-after'] = RETRY_AFTER
  for (const [name, value] of Object.entries(headers ?? {})) rendered[name.toLowerCase()] = value
  return { status, code, headers: rendered, body: JSON.stringify(body) }
}

const INTERNAL = { code: 'internal_error', detail: undefined, errors: undefined, headers: undefined }
