import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import { newTraceparent } from '@ashlar/platform/context'
import { renderProblem } from '@ashlar/platform/http'
import { gatewayErrors } from '../contract.ts'
import type { Client } from '../domain/address.ts'
import { SERVED_METHODS } from '../domain/framing.ts'
import type { GatewayRefusal } from './exchange.ts'
import type { Observer } from './observe.ts'

const REFUSALS: Readonly<Record<string, GatewayRefusal>> = {
  HPE_HEADER_OVERFLOW: { code: 'headers_too_large', detail: 'The header of the request is too large.' },
  ERR_HTTP_REQUEST_TIMEOUT: { code: 'request_timeout', detail: 'The request did not arrive in time.' },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { code: 'body_too_large', detail: 'The chunk extensions are too large.' },
  CONNECT: {
    code: 'method_not_allowed',
    detail: 'CONNECT is not served here.',
    headers: { allow: SERVED_METHODS },
  },
}

/** The bytes that answer what never became a request: parser errors, late requests, `CONNECT`. Logged and counted. */
export const createBrokenAnswer =
  (observer: Observer, securityHeaders: Readonly<Record<string, string>>) =>
  (error: NodeJS.ErrnoException, peer: Client | undefined): string => {
    const refusal = REFUSALS[error.code ?? error.message] ?? {
      code: 'request_malformed' as const,
      detail: 'This is not a well-formed HTTP/1.1 request.',
    }
    const requestId = randomUUID()
    const problem = renderProblem(gatewayErrors, refusal, { requestId, traceparent: newTraceparent() }, '')
    observer.broken({ requestId, status: problem.status, code: problem.code, ip: peer?.address ?? '' })
    const fields = [
      ...Object.entries(securityHeaders),
      ...Object.entries(problem.headers),
      ['x-request-id', requestId],
      ['content-length', String(Buffer.byteLength(problem.body))],
      ['connection', 'close'],
    ]
    const head = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
    return `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${head}\r\n${problem.body}`
  }
