import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net'

export type SocketLimits = {
  /** For the whole header of a request, counted from the opening of the connection, later from its first byte. */
  headersTimeoutMs: number
  /** For the whole request, its body included. */
  requestTimeoutMs: number
  /** For a connection on which nothing is asked. */
  idleTimeoutMs: number
  /** How long a connection may go on being used after `close` was called, before idle ones are cut. */
  lingerMs: number
  /** How long accepted requests may take after `close` was called. */
  drainTimeoutMs: number
}

export const socketLimits: SocketLimits = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  idleTimeoutMs: 75_000,
  lingerMs: 250,
  drainTimeoutMs: 25_000,
}

export type Sockets = { listen(host: string, port: number): Promise<number>; close(): Promise<void> }

type Options = {
  limits: SocketLimits
  serve: (request: IncomingMessage, response: ServerResponse) => void
  /** The whole answer, status line included, to what could not be read as a request. */
  garbled: (error: NodeJS.ErrnoException, socket: Socket) => string
  /** Requests that are being served now, on these sockets. */
  inFlight: () => number
}

/** The Node server around a request handler: its limits, and an end that loses no accepted request. */
export const createSockets = ({ limits, serve, garbled, inFlight }: Options): Sockets => {
  let server: Server | undefined
  const connections = new Set<Socket>()

  const open = (): Server => {
    const made = createServer(
      {
        headersTimeout: limits.headersTimeoutMs,
        requestTimeout: limits.requestTimeoutMs,
        keepAliveTimeout: limits.idleTimeoutMs,
        // How late a time-out may be noticed.
        connectionsCheckingInterval: Math.min(1_000, limits.headersTimeoutMs),
        insecureHTTPParser: false,
        noDelay: true,
      },
      serve,
    )
    made.on('connection', (socket) => {
      connections.add(socket)
      socket.on('close', () => connections.delete(socket))
    })
    made.on('clientError', (error: NodeJS.ErrnoException, socket) => {
      const answerable = socket.writable && error.code !== 'ECONNRESET'
      if (answerable) socket.end(garbled(error, socket as Socket))
      else socket.destroy()
    })
    return made
  }

  return {
    listen: async (host, port) => {
      if (server) throw new Error('This server listens already.')
      const opened = open()
      await new Promise<void>((resolve, reject) => {
        opened.once('error', reject)
        opened.listen({ host, port }, resolve)
      })
      server = opened
      return (opened.address() as AddressInfo).port
    },
    close: async () => {
      const closing = server
      if (!closing) return
      const deadline = Date.now() + limits.drainTimeoutMs
      const linger = Date.now() + limits.lingerMs
      // Node's own http close would cut idle connections at once, and with them a request that is already on its way
      // (nodejs/node#60617). This stops the listening alone; those who still ask are answered and told to close.
      const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(closing, () => resolve()))
      while (connections.size > 0 && Date.now() < linger) await pause(10)
      closing.closeIdleConnections()
      while (inFlight() > 0 && Date.now() < deadline) {
        await pause(10)
        closing.closeIdleConnections()
      }
      closing.closeAllConnections()
      // Connections that never became HTTP (an upgrade) are unknown to the HTTP server.
      for (const socket of connections) socket.destroy()
      await closed
      server = undefined
    },
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
