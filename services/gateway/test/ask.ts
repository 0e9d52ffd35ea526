import http from 'node:http'

export type Answer = { status: number; headers: http.IncomingHttpHeaders; bytes: Buffer; text: string; code?: string }
export type Asked = { method?: string; headers?: http.OutgoingHttpHeaders; body?: string | Buffer; agent?: http.Agent }

/** One request without anything that a client library would add: no decoding, no redirect, every header as given. */
export const ask = (
  port: number,
  path: string,
  { method = 'GET', headers, body, agent }: Asked = {},
): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, path, method, headers, agent }, (response) => {
      const pieces: Buffer[] = []
      response.on('data', (piece: Buffer) => pieces.push(piece))
      response.on('error', reject)
      response.on('end', () => {
        const bytes = Buffer.concat(pieces)
        const text = bytes.toString('utf8')
        const problem = response.headers['content-type']?.startsWith('application/problem+json')
        const code =
          problem && method !== 'HEAD' && !response.headers['content-encoding'] ? JSON.parse(text).code : undefined
        resolve({ status: response.statusCode ?? 0, headers: response.headers, bytes, text, code })
      })
    })
    request.on('error', reject)
    request.end(body)
  })
