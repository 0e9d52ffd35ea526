import type { ServerResponse } from 'node:http'

/** Larger ones are not copied once more to be sent in one write with the header. */
const MOST_BYTES_IN_ONE_WRITE = 16_384

/**
 * Sends a whole answer by Node's own means: header and body in one write, and no field of the header checked, kept and
 * copied on its way through a reply, which together cost more than all the rest of answering. `common`: fields that
 * every answer has unless it brings its own. Names in lower case.
 */
export const sendWhole = (
  response: ServerResponse,
  { status, headers, body }: { status: number; headers: Readonly<Record<string, string>>; body: string | Buffer },
  common: Readonly<Record<string, string>>,
): void => {
  const fields: Record<string, string | number> = { ...common, 'cache-control': 'no-store', ...headers }
  const sizeBytes = Buffer.byteLength(body)
  // RFC 9110, section 8.6: neither has a body, so neither has a length.
  if (status !== 204 && status !== 304) fields['content-length'] = sizeBytes
  response.writeHead(status, fields)
  if (sizeBytes === 0) response.end()
  // One character is one byte here, so that the text can be joined to the header as it is.
  else if (typeof body === 'string') response.end(body, sizeBytes === body.length ? 'latin1' : 'utf8')
  else if (sizeBytes <= MOST_BYTES_IN_ONE_WRITE) response.end(body.toString('latin1'), 'latin1')
  else response.end(body)
}
