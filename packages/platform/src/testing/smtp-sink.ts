import { createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createServer as createTlsServer, TLSSocket } from 'node:tls'

export type ReceivedMail = {
  from: string
  to: string
  /** Header names in lower case, folded lines joined. */
  headers: Record<string, string>
  /** The message as it came, dots unstuffed, lines ended by CRLF. */
  raw: string
  /** False where the connection was cut, or an error answered, after the final dot. */
  acknowledged: boolean
}

/**
 * What one delivery attempt meets.
 * `reply`: answers so at that point (`rcpt`, `data` or after the final `dot`).
 * `cut`: closes the connection instead of answering: at `rcpt`, at `data`, in the `body` (after the 354, before
 * anything more is read), or after the final `dot`, when the message is already kept.
 * `delayMs` waits before either.
 */
export type SmtpStep =
  | { at: 'rcpt' | 'data' | 'dot'; reply: string; delayMs?: number }
  | { at: 'rcpt' | 'data' | 'body' | 'dot'; cut: true; delayMs?: number }

export type SmtpSink = {
  readonly host: string
  readonly port: number
  /** `smtp://127.0.0.1:<port>`, or `smtps://…` where TLS comes first. */
  readonly url: string
  /** Every message whose final dot arrived, oldest first, acknowledged or not. */
  readonly messages: readonly ReceivedMail[]
  /** Sets what happens to the next attempts for `recipient`, one step each; after them it is accepted. */
  script(recipient: string, ...steps: SmtpStep[]): void
  /** Deliveries that were begun (`RCPT TO`) for `recipient`. */
  attempts(recipient: string): number
  /** Connections that were opened so far. */
  connections(): number
  /** Stops listening and cuts every connection, as a server that dies does. The port stays free for `reopen`. */
  down(): Promise<void>
  /** Listens again on the same port. */
  up(): Promise<void>
  close(): Promise<void>
}

/**
 * A real SMTP server on a free loopback port, for tests: it speaks the protocol over TCP, keeps what it was handed,
 * and misbehaves as scripted, per recipient and attempt.
 */
export const createSmtpSink = async (
  options: {
    extensions?: readonly string[]
    /** PEM. `starttls`: offered after EHLO; `implicit`: from the first byte. */
    tls?: { key: string; cert: string; mode: 'starttls' | 'implicit' }
    /** Before every answer, the greeting included: a server that has much to do. */
    replyDelayMs?: number
  } = {},
): Promise<SmtpSink> => {
  const { tls, extensions = ['PIPELINING', '8BITMIME'], replyDelayMs = 0 } = options
  const host = '127.0.0.1'
  const messages: ReceivedMail[] = []
  const scripts = new Map<string, SmtpStep[]>()
  const attempts = new Map<string, number>()
  const sockets = new Set<Socket>()
  let connections = 0

  const begin = (recipient: string): SmtpStep => {
    attempts.set(recipient, (attempts.get(recipient) ?? 0) + 1)
    return scripts.get(recipient)?.shift() ?? { at: 'dot', reply: '250 2.0.0 stored' }
  }

  const serve = (socket: Socket): void => {
    connections += 1
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    const hooks = { extensions, replyDelayMs, begin, keep: (mail: ReceivedMail) => void messages.push(mail) }
    const upgrade = (): void => {
      const secured = new TLSSocket(socket, { isServer: true, key: tls?.key, cert: tls?.cert })
      new SmtpSession(secured, hooks)
    }
    const offer = tls?.mode === 'starttls' ? { extensions: [...extensions, 'STARTTLS'], upgrade } : {}
    new SmtpSession(socket, { ...hooks, ...offer }).greet()
  }

  const newServer = (): Server => (tls?.mode === 'implicit' ? createTlsServer(tls, serve) : createServer(serve))
  let server = newServer()
  const port = await listen(server, host, 0)

  const down = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    for (const socket of sockets) socket.destroy()
    await closed
  }

  return {
    host,
    port,
    url: `${tls?.mode === 'implicit' ? 'smtps' : 'smtp'}://${host}:${port}`,
    messages,
    script: (recipient, ...steps) => void scripts.set(recipient, [...(scripts.get(recipient) ?? []), ...steps]),
    attempts: (recipient) => attempts.get(recipient) ?? 0,
    connections: () => connections,
    down,
    up: async () => {
      server = newServer()
      await listen(server, host, port)
    },
    close: down,
  }
}

const listen = (server: Server, host: string, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      const address = server.address()
      resolve(typeof address === 'object' && address ? address.port : port)
    })
  })

type SessionHooks = {
  extensions: readonly string[]
  replyDelayMs: number
  begin: (recipient: string) => SmtpStep
  keep: (mail: ReceivedMail) => void
  /** Goes on in TLS on the same socket, in a session of its own. */
  upgrade?: () => void
}

/** One connection of the sink (RFC 5321): commands in order, answered in order, pipelined or not. */
class SmtpSession {
  readonly #socket: Socket
  readonly #hooks: SessionHooks
  #input = ''
  #body: string[] | undefined
  #from = ''
  #to = ''
  #step: SmtpStep | undefined
  #work: Promise<void> = Promise.resolve()

  constructor(socket: Socket, hooks: SessionHooks) {
    this.#socket = socket
    this.#hooks = hooks
    socket.setEncoding('latin1')
    // A client that goes away is part of what tests do; it must not end the test process.
    socket.on('error', () => socket.destroy())
    socket.on('data', this.#onData)
  }

  greet(): void {
    this.#work = this.#work.then(() => this.#pause()).then(() => this.#say('220 sink.test ESMTP'))
  }

  readonly #onData = (chunk: string): void => {
    this.#work = this.#work.then(() => this.#read(chunk))
  }

  async #read(chunk: string): Promise<void> {
    this.#input += chunk
    for (let end = this.#input.indexOf('\r\n'); end >= 0; end = this.#input.indexOf('\r\n')) {
      const line = this.#input.slice(0, end)
      this.#input = this.#input.slice(end + 2)
      if (this.#socket.destroyed) return
      if (this.#body) await this.#bodyLine(line)
      else await this.#command(line)
    }
  }

  async #pause(): Promise<void> {
    if (this.#hooks.replyDelayMs > 0) await sleep(this.#hooks.replyDelayMs, undefined, { ref: false })
  }

  async #command(line: string): Promise<void> {
    await this.#pause()
    const verb = line.slice(0, 4).toUpperCase()
    switch (verb) {
      case 'EHLO':
        return this.#lines(['sink.test', ...this.#hooks.extensions])
      case 'MAIL':
        this.#from = addressOf(line)
        this.#to = ''
        return this.#say('250 2.1.0 sender ok')
      case 'RCPT':
        if (this.#to) return this.#say('452 4.5.3 one recipient at a time')
        this.#to = addressOf(line)
        this.#step = this.#hooks.begin(this.#to)
        if (await this.#scripted('rcpt')) {
          this.#to = ''
          return
        }
        return this.#say('250 2.1.5 recipient ok')
      case 'DATA':
        if (!this.#to) return this.#say('503 5.5.1 no recipient')
        if (await this.#scripted('data')) return
        this.#body = []
        this.#say('354 go on')
        await this.#scripted('body')
        return
      case 'RSET':
        this.#to = ''
        return this.#say('250 2.0.0 reset')
      case 'STAR':
        if (!this.#hooks.upgrade) return this.#say('502 5.5.1 not implemented')
        this.#socket.off('data', this.#onData)
        this.#socket.write('220 2.0.0 go ahead\r\n', this.#hooks.upgrade)
        return
      case 'NOOP':
      case 'HELO':
        return this.#say('250 2.0.0 ok')
      case 'QUIT':
        this.#say('221 2.0.0 bye')
        this.#socket.end()
        return
      default:
        return this.#say('502 5.5.1 not implemented')
    }
  }

  async #bodyLine(line: string): Promise<void> {
    if (line !== '.') {
      this.#body?.push(line.startsWith('.') ? line.slice(1) : line)
      return
    }
    await this.#pause()
    const lines = this.#body ?? []
    this.#body = undefined
    const acknowledged = this.#step?.at === 'dot' && 'reply' in this.#step && this.#step.reply.startsWith('2')
    const raw = Buffer.from(`${lines.join('\r\n')}\r\n`, 'latin1').toString('utf8')
    this.#hooks.keep({ from: this.#from, to: this.#to, headers: headersOf(raw), raw, acknowledged })
    this.#to = ''
    await this.#scripted('dot')
  }

  /** Does what the attempt's step says for this point. True when it answered or cut. */
  async #scripted(point: SmtpStep['at']): Promise<boolean> {
    const step = this.#step
    if (step?.at !== point) return false
    if (step.delayMs) await sleep(step.delayMs, undefined, { ref: false })
    if ('cut' in step) this.#socket.destroy()
    else this.#say(step.reply)
    return true
  }

  #lines(texts: readonly string[]): void {
    this.#socket.write(texts.map((text, at) => `250${at === texts.length - 1 ? ' ' : '-'}${text}\r\n`).join(''))
  }

  #say(line: string): void {
    if (!this.#socket.destroyed) this.#socket.write(`${line}\r\n`)
  }
}

const addressOf = (line: string): string => /<([^>]*)>/.exec(line)?.[1] ?? ''

const headersOf = (raw: string): Record<string, string> => {
  const head = raw.slice(0, raw.indexOf('\r\n\r\n')).replace(/\r\n[ \t]+/g, ' ')
  const headers: Record<string, string> = {}
  for (const line of head.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
  }
  return headers
}
