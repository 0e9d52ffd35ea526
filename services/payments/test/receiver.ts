import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export type Received = { headers: Record<string, unknown>; body: Buffer }

/** Somebody who is sent webhooks. `answer` decides the status of each; one that never resolves never answers. */
export const createReceiver = async (answer: (count: number) => number | Promise<number> = () => 204) => {
  const received: Received[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      received.push({ headers: request.headers, body: Buffer.concat(chunks) })
      void Promise.resolve(answer(received.length)).then((status) =>
        response.writeHead(status, status === 302 ? { location: '/elsewhere' } : {}).end(),
      )
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/hook`,
    received,
    close: () => {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(resolve))
    },
  }
}
