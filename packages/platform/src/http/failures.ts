import type { FastifyError } from 'fastify'
import { DependencyUnavailable } from '../postgres/index.ts'
import type { Logger } from '../telemetry/index.ts'
import { invalid, Refused } from './problem.ts'
import { idsOf, type RequestState } from './state.ts'
import type { Refusal } from './types.ts'

const OF_FASTIFY: Readonly<Record<string, Refusal>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'media_type_unsupported',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: invalid({
    pointer: '',
    code: 'length_mismatch',
    detail: 'The body is not as long as its Content-Length says.',
  }).refusal,
  FST_ERR_BAD_URL: 'path_invalid',
  FST_ERR_MAX_PARAM_LENGTH: 'not_found',
}

/**
 * What a caller is told about something that was thrown. Only refusals and what Fastify says about the request are
 * passed on; everything else is logged here and stays here.
 */
export const refusalOf = (error: unknown, state: RequestState, logger: Logger): Refusal => {
  if (error instanceof Refused) return error.refusal
  const known = OF_FASTIFY[(error as Partial<FastifyError>).code ?? '']
  if (known !== undefined) return known
  if (error instanceof DependencyUnavailable) {
    logger.warn(
      { ...idsOf(state), route: state.route, dependency: error.dependency, err: error },
      'dependency unavailable',
    )
    return 'dependency_unavailable'
  }
  logger.error({ ...idsOf(state), route: state.route, err: error }, 'request failed')
  return 'internal_error'
}
