import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import net, { type AddressInfo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Peer } from '../domain/address.ts'

/** What is known of one connection. `current` is the response that a parser error would break into. */
type Connection = { readonly peer: Peer; current?: ServerResponse; open: number; idleSinceMs: number }

export type FrontTimeouts = {
  headersMs: number
  /** For a whole request, head and body. */
  requestMs: number
  idleMs: number
  /** For a client to take some bytes of an answer that waits for it. */
  stallMs: number
  /** How long `close` waits for requests that were accepted. */
  drainMs: number
  /** How long an idle connection is still listened to while closing: a request may be on its way in it. */
  graceMs: number
}

export type FrontServerOptions = {
  timeouts: FrontTimeouts
  /** Open connections of one client address, trusted proxies excepted; 0 for any number. */
  connectionsPerAddress: number
  peerOf(address: string | undefined): Peer
  onRequest(request: IncomingMessage, response: ServerResponse, peer: Peer): void
  /** Bytes that are no request, a request that came too slowly, or a `CONNECT`. Answers what to write. */
  onBroken(error: NodeJS.ErrnoException, peer: Peer | undefined): string
}

const LINGER_MS = 1_000
const BACKLOG_MS = 250

/** The socket in front: one HTTP/1.1 server that answers what it accepted before it goes. */
export class FrontServer {
  readonly #server: Server
  readonly #connections = new Map<Duplex, Connection>()
  readonly #perAddress = new Map<string, number>()
  readonly #options: FrontServerOptions
  #draining = false
  #accepted = 0
  #closed: Promise<void> | undefined

  constructor(options: FrontServerOptions) {
    this.#options = options
    const { headersMs, requestMs, idleMs, stallMs } = options.timeouts
    this.#server = createServer({
      headersTimeout: Math.min(headersMs, requestMs),
      requestTimeout: requestMs,
      keepAliveTimeout: idleMs,
      connectionsCheckingInterval: Math.min(1_000, headersMs),
      // Without a Host field the gateway answers itself, with a problem instead of an empty 400.
      requireHostHeader: false,
      noDelay: true,
    })
    // Counts from the last byte in either direction; a write that makes headway counts as one.
    this.#server.setTimeout(stallMs, (socket) => this.#quiet(socket))
    this.#server.on('connection', (socket) => this.#accept(socket))
    this.#server.on('request', (request, response) => this.#begin(request, response))
    // Decided before the body is invited: a refused client need not send it.
    this.#server.on('checkContinue', (request, response) => this.#begin(request, response))
    // Node itself would answer 417 with nothing in it, which nobody logs or counts.
    this.#server.on('checkExpectation', (request, response) => this.#begin(request, response))
    this.#server.on('connect', (_request, socket) => this.#refuse(socket, new Error('CONNECT')))
    this.#server.on('clientError', (error, socket) => this.#refuse(socket, error))
  }

  get draining(): boolean {
    return this.#draining
  }

  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port, backlog: 1_024 }, () => {
        this.#server.off('error', reject)
        resolve((this.#server.address() as AddressInfo).port)
      })
    })
  }

  /** From now on every answer closes its connection. Still accepts, so that a balancer can look away first. */
  drain(): void {
    this.#draining = true
    for (const { current } of this.#connections.values()) {
      if (current && !current.headersSent) current.setHeader('connection', 'close')
    }
  }

  /** Accepts no more, waits for every request that was accepted, then closes. Calling it again waits for the same end. */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<void> {
    this.drain()
    if (this.#server.listening) await this.#acceptBacklog()
    if (this.#server.listening) {
      // Not http.Server.close(): that drops idle connections at once, with the request that may be on its way in one.
      net.Server.prototype.close.call(this.#server)
    }
    const { drainMs, graceMs } = this.#options.timeouts
    const endsAtMs = performance.now() + drainMs
    while (this.#connections.size > 0 && performance.now() < endsAtMs) {
      const quietSinceMs = performance.now() - graceMs
      for (const [socket, { open, idleSinceMs }] of this.#connections) {
        if (open === 0 && idleSinceMs <= quietSinceMs) (socket as Socket).destroySoon()
      }
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    this.#server.closeAllConnections()
    for (const socket of this.#connections.keys()) socket.destroy()
    // Ends the server's own timer; it no longer listens, and says so in an error that tells nothing new.
    this.#server.close(() => {})
  }

  /**
   * Accepts what the kernel has taken already: closing the listening socket would reset it. One connection comes per
   * turn of the loop; ends with the first turn that brings none, or after a moment while they keep coming.
   */
  async #acceptBacklog(): Promise<void> {
    const endsAtMs = performance.now() + BACKLOG_MS
    for (let known = -1; known !== this.#accepted && performance.now() < endsAtMs; ) {
      known = this.#accepted
      await new Promise((resolve) => setImmediate(resolve))
      await new Promise((resolve) => setImmediate(resolve))
    }
  }

  #accept(socket: Socket): void {
    this.#accepted += 1
    const peer = this.#options.peerOf(socket.remoteAddress)
    const limit = this.#options.connectionsPerAddress
    if (limit > 0 && !peer.trusted) {
      const open = this.#perAddress.get(peer.network) ?? 0
      if (open >= limit) return void socket.destroy()
      this.#perAddress.set(peer.network, open + 1)
      socket.once('close', () => this.#leave(peer.network))
    }
    this.#connections.set(socket, { peer, open: 0, idleSinceMs: performance.now() })
    socket.once('close', () => this.#connections.delete(socket))
  }

  #leave(network: string): void {
    const open = (this.#perAddress.get(network) ?? 1) - 1
    if (open === 0) this.#perAddress.delete(network)
    else this.#perAddress.set(network, open)
  }

  /** Nothing came and nothing went for a while: an idle client, one who does not read, or a service that is at work. */
  #quiet(socket: Socket): void {
    const waits = (this.#connections.get(socket)?.open ?? 0) > 0 && socket.writableLength === 0
    if (waits) socket.setTimeout(this.#options.timeouts.stallMs)
    else socket.destroy()
  }

  #begin(request: IncomingMessage, response: ServerResponse): void {
    const connection = this.#connections.get(request.socket)
    if (!connection) return void request.socket.destroy()
    connection.current = response
    connection.open += 1
    response.once('close', () => {
      connection.open -= 1
      connection.idleSinceMs = performance.now()
      if (connection.current === response) connection.current = undefined
    })
    if (this.#draining) response.setHeader('connection', 'close')
    this.#options.onRequest(request, response, connection.peer)
  }

  #refuse(socket: Duplex, error: NodeJS.ErrnoException): void {
    const connection = this.#connections.get(socket)
    const current = connection?.current
    if (current?.req.complete && error.code !== 'ECONNRESET') {
      // The bytes behind a request that is being answered are bad: it gets its answer, they get none.
      if (connection) connection.current = undefined
      if (!current.headersSent) current.setHeader('connection', 'close')
      current.once('close', () => (socket as Socket).destroySoon())
      return
    }
    if (!socket.writable || error.code === 'ECONNRESET' || current?.headersSent || (connection?.open ?? 0) > 1) {
      return void socket.destroy()
    }
    socket.end(this.#options.onBroken(error, connection?.peer))
    // Destroyed only later: closing with unread bytes would reset the connection before the client has read the answer.
    setTimeout(() => socket.destroy(), LINGER_MS).unref()
  }
}
