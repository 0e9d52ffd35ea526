import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import { newTraceparent } from '../context/index.ts'
import type { ErrorTable } from '../contract/index.ts'
import { renderProblem } from './problem.ts'
import type { Refusal } from './types.ts'

const BY_CODE: Readonly<Record<string, Refusal>> = {
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
  HPE_HEADER_OVERFLOW: 'headers_too_large',
}

/**
 * The whole answer, as text, to bytes that Node's parser refused or that did not come in time. There is no request to
 * speak of, so its id is made here and its path is unknown.
 */
export const garbledAnswer = (errors: ErrorTable, error: NodeJS.ErrnoException): string => {
  const refusal = BY_CODE[error.code ?? ''] ?? {
    code: 'validation_failed',
    detail: 'This is not a well-formed HTTP request.',
  }
  const requestId = randomUUID()
  const traceparent = newTraceparent()
  const problem = renderProblem(errors, refusal, { requestId, traceparent }, '')
  const headers = {
    ...problem.headers,
    'content-length': String(Buffer.byteLength(problem.body)),
    'x-request-id': requestId,
    traceparent,
    connection: 'close',
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? ''}\r\n${lines.join('')}\r\n${problem.body}`
}
