import nodemailer, { type NodemailerError } from 'nodemailer'
import type { Mailer } from '../../application/ports.ts'
import { enhancedCode, isAddressGone } from '../../domain/bounce.ts'
import type { HandOver } from '../../domain/delivery.ts'
import { plainly, refuseUnsafe } from './envelope.ts'

export type SmtpOptions = {
  /** `smtp://[user:password@]host[:port]` or `smtps://…`; `?tls=required` insists on STARTTLS. */
  url: string
  maxConnections: number
  /** For connecting, greeting and TLS together. */
  connectTimeoutMs: number
  /** Longest silence of the server. */
  socketTimeoutMs: number
  /** For one whole hand-over. */
  sendTimeoutMs: number
  /** Authority to trust instead of the public ones, in PEM. */
  ca?: string
}

/** How far a hand-over got, told by the stream that the message is read from. */
type Progress = { finalDotPossible: boolean }

/**
 * Nodemailer over pooled connections. `smtps:` speaks TLS from the first byte; `smtp:` upgrades by STARTTLS where the
 * server offers it, and must where the URL holds a password and the host is not this machine. Certificates are
 * checked. It retries nothing by itself, and its own logging, which would hold addresses, stays off.
 */
export const createSmtpMailer = (options: SmtpOptions): Mailer => {
  const transport = nodemailer.createTransport({ pool: true, ...connectionOf(options.url), ...limitsOf(options) })

  // The library writes the final dot once the last stage of its source has been read to the end; until then the server
  // certainly has no whole message. An earlier stage would not do: a small message runs through all of them into the
  // buffer of the last one before the server has even accepted the recipient.
  transport.use('stream', (mail, done) => {
    const progress = (mail.data as { progress?: Progress }).progress
    mail.message.processFunc((source) =>
      source.once('end', () => {
        if (progress) progress.finalDotPossible = true
      }),
    )
    done()
  })

  return {
    send: async (mail) => {
      const refused = refuseUnsafe(mail)
      if (refused) return refused
      const progress: Progress = { finalDotPossible: false }
      try {
        const sent = await transport.sendMail({
          envelope: { from: mail.from.address, to: [mail.to] },
          from: mail.from,
          to: { name: '', address: mail.to },
          subject: plainly(mail.subject),
          text: mail.text,
          html: mail.html,
          messageId: mail.messageId,
          date: mail.date,
          headers: { ...mail.headers },
          disableFileAccess: true,
          disableUrlAccess: true,
          signal: AbortSignal.timeout(options.sendTimeoutMs),
          progress,
        } as Parameters<typeof transport.sendMail>[0])
        return { outcome: 'accepted', response: sent.response.slice(0, 200) }
      } catch (error) {
        return classify(error as NodemailerError, progress)
      }
    },
    verify: async () => {
      await transport.verify()
    },
    close: async () => transport.close(),
  }
}

/** Commands whose refusal is about this message or its recipient, not about the session or the sender's login. */
const ABOUT_THE_MESSAGE = /^(MAIL FROM|RCPT TO|DATA)/

/**
 * An answer of the server to the message is final in itself: 5yz refuses for good, 4yz for now (RFC 5321, section
 * 4.2.1). Without an answer it depends on whether the final dot may have left. 421 says that the server is closing
 * and can come unasked, so after the dot it is no answer.
 */
const classify = (error: NodemailerError, { finalDotPossible }: Progress): HandOver => {
  const reply = error.responseCode ?? 0
  const about = { code: codeOf(error), ...(reply >= 400 && { response: String(reply) }) }
  const answered = reply >= 400 && reply !== 421 && ABOUT_THE_MESSAGE.test(error.command ?? '')
  // 503 blames the order of commands: the session, not the message.
  if (answered && (reply < 500 || reply === 503)) return { outcome: 'deferred', ...about }
  if (answered) return { outcome: 'refused', ...about, ...(addressGone(error, reply) && { addressGone: true }) }
  if (finalDotPossible) return { outcome: 'unknown', code: about.code }
  // Refused by the library itself: the server's size limit, an address it cannot transport.
  if (error.code === 'EMESSAGE' && reply === 0) return { outcome: 'refused', ...about }
  return { outcome: 'deferred', ...about }
}

const addressGone = ({ command = '', response = '' }: NodemailerError, reply: number): boolean =>
  !command.startsWith('MAIL FROM') && isAddressGone(reply, enhancedCode(response), command.startsWith('RCPT TO'))

const codeOf = (error: NodemailerError): string =>
  error.responseCode ? `smtp_${error.responseCode}` : `smtp_${(error.code ?? error.name ?? 'error').toLowerCase()}`

const limitsOf = (options: SmtpOptions) => ({
  maxConnections: options.maxConnections,
  maxMessages: 100,
  // A message is tried again by its own record, never behind its back.
  maxRequeues: 0,
  // Shorter than servers wait, so that a message rarely meets a connection that was just closed.
  idleTimeout: 20_000,
  connectionTimeout: options.connectTimeoutMs,
  greetingTimeout: options.connectTimeoutMs,
  dnsTimeout: options.connectTimeoutMs,
  socketTimeout: options.socketTimeoutMs,
  socketCloseTimeout: 1_000,
  maxResponseSize: 16 * 1024,
  ...(options.ca !== undefined && { tls: { ca: options.ca } }),
  logger: false as const,
  debug: false,
})

const LOCAL_HOSTS: readonly string[] = ['localhost', '127.0.0.1', '::1', '[::1]']

/** Exported for its own test. Throws on a URL of another kind. */
export const connectionOf = (
  text: string,
): { host: string; port: number; secure: boolean; requireTLS: boolean; auth?: { user: string; pass: string } } => {
  const url = new URL(text)
  if (url.protocol !== 'smtp:' && url.protocol !== 'smtps:') throw new Error('a mail server is smtp: or smtps:')
  const secure = url.protocol === 'smtps:'
  const auth = url.username
    ? { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) }
    : undefined
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port) || (secure ? 465 : 587),
    secure,
    requireTLS:
      !secure && (url.searchParams.get('tls') === 'required' || (!!auth && !LOCAL_HOSTS.includes(url.hostname))),
    ...(auth && { auth }),
  }
}
