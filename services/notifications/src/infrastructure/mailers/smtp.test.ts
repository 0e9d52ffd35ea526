import { createSmtpSink, type SmtpSink, type SmtpStep } from '@ashlar/platform/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { selfSigned } from '../../../test/certificate.ts'
import { mailerConformance, type Received } from '../../../test/mailer.conformance.ts'
import type { Mailer, OutgoingMail } from '../../application/ports.ts'
import { connectionOf, createSmtpMailer } from './smtp.ts'

const limits = { maxConnections: 3, connectTimeoutMs: 2_000, socketTimeoutMs: 2_000, sendTimeoutMs: 3_000 }

const received = ({ to, headers, raw }: SmtpSink['messages'][number]): Received => ({
  envelopeTo: to,
  headers,
  subject: words(headers.subject ?? ''),
  text: part(raw, 'text/plain'),
  html: part(raw, 'text/html'),
})

/** Encoded words of a header (RFC 2047). */
const words = (value: string): string =>
  value
    .replace(/\?=\s+=\?/g, '?==?')
    .replace(/=\?utf-8\?([BQ])\?([^?]*)\?=/gi, (_all, kind: string, data: string) =>
      kind.toUpperCase() === 'B' ? Buffer.from(data, 'base64').toString('utf8') : unquoted(data.replaceAll('_', ' ')),
    )
const unquoted = (text: string): string =>
  Buffer.from(
    text
      .replace(/=\r\n/g, '')
      .replace(/=([0-9A-F]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  ).toString('utf8')
const part = (raw: string, type: string): string => {
  const boundary = /boundary="([^"]+)"/.exec(raw)?.[1] ?? ''
  const found = raw.split(`--${boundary}`).find((piece) => piece.includes(`Content-Type: ${type}`)) ?? ''
  const [head = '', ...body] = found.split('\r\n\r\n')
  const text = body.join('\r\n\r\n').replace(/\r\n$/, '')
  const decoded = /base64/i.test(head)
    ? Buffer.from(text, 'base64').toString('utf8')
    : /quoted-printable/i.test(head)
      ? unquoted(text)
      : text
  return decoded.replaceAll('\r\n', '\n')
}

mailerConformance(
  'smtp',
  async () => {
    const sink = await createSmtpSink()
    const mailer = createSmtpMailer({ ...limits, url: sink.url })
    return {
      mailer,
      received: async (messageId) =>
        sink.messages.filter(({ headers }) => headers['message-id'] === messageId).map(received),
      total: async () => sink.messages.length,
      outage: async () => {
        await sink.down()
        return () => sink.up()
      },
      close: async () => {
        await mailer.close()
        await sink.close()
      },
    }
  },
  { find: 'SMTP has no such question' },
)

let sink: SmtpSink
let mailer: Mailer

beforeAll(async () => {
  sink = await createSmtpSink()
  mailer = createSmtpMailer({ ...limits, url: sink.url, socketTimeoutMs: 400, sendTimeoutMs: 900 })
})
afterAll(async () => {
  await mailer.close()
  await sink.close()
})

const mailTo = (to: string): OutgoingMail => ({
  notificationId: 'n',
  template: 'welcome',
  messageId: `<${to.split('@')[0]}@ashlar.test>`,
  from: { name: '', address: 'shop@ashlar.test' },
  to,
  subject: 'Hello',
  text: 'Hello',
  html: '<p>Hello</p>',
  headers: {},
  date: new Date(),
})

test('what came in a variable as an encoded word is shown as it was written, and decoded by nobody', async () => {
  const subject = 'Hi =?utf-8?Q?a=0D=0ABcc:_x=40y.test?= and ünïcödé 😀, at some length'
  await mailer.send({ ...mailTo('words@b.test'), subject })
  const [mail] = sink.messages.filter(({ to }) => to === 'words@b.test')
  expect(mail?.headers.subject).not.toContain('=?utf-8?Q?')
  expect(words(mail?.headers.subject ?? '')).toBe(subject)
  for (const word of (mail?.headers.subject ?? '').split(/\s+/)) expect(word.length).toBeLessThanOrEqual(75)
})

test.each([
  ['451 at RCPT', { at: 'rcpt', reply: '451 4.3.0 later' }, 'deferred', 'smtp_451', 0],
  ['450 after DATA', { at: 'data', reply: '450 4.2.0 later' }, 'deferred', 'smtp_450', 0],
  ['451 after the final dot', { at: 'dot', reply: '451 4.3.0 scanner busy' }, 'deferred', 'smtp_451', 1],
  ['550 at RCPT', { at: 'rcpt', reply: '550 5.1.1 nobody' }, 'refused', 'smtp_550', 0],
  ['554 after the final dot', { at: 'dot', reply: '554 5.7.1 spam' }, 'refused', 'smtp_554', 1],
  ['a cut at RCPT', { at: 'rcpt', cut: true }, 'deferred', 'smtp_econnection', 0],
  ['a cut at DATA', { at: 'data', cut: true }, 'deferred', 'smtp_econnection', 0],
  ['a cut after the final dot', { at: 'dot', cut: true }, 'unknown', 'smtp_econnection', 1],
  ['421 after the final dot', { at: 'dot', reply: '421 4.4.2 closing' }, 'unknown', 'smtp_421', 1],
  ['silence at RCPT', { at: 'rcpt', reply: '250 ok', delayMs: 800 }, 'deferred', 'smtp_econnection', 0],
  ['silence at DATA', { at: 'data', reply: '354 go', delayMs: 800 }, 'deferred', 'smtp_econnection', 0],
  ['silence after the final dot', { at: 'dot', reply: '250 ok', delayMs: 800 }, 'unknown', 'smtp_etimedout', 1],
] satisfies [string, SmtpStep, string, string, number][])('%s', async (what, step, outcome, code, kept) => {
  const to = `${what.toLowerCase().replaceAll(' ', '-')}@x.test`
  sink.script(to, step)
  expect(await mailer.send(mailTo(to))).toMatchObject({ outcome, code })
  // One try per call, whatever happens: the record of the message decides about more.
  expect(sink.attempts(to)).toBe(1)
  expect(sink.messages.filter((message) => message.to === to)).toHaveLength(kept)
  expect(await mailer.send(mailTo(`after-${to}`))).toMatchObject({ outcome: 'accepted' })
})

test('a cut in the middle of the body is never told as accepted or refused', async () => {
  sink.script('body@x.test', { at: 'body', cut: true })
  const { outcome } = await mailer.send({ ...mailTo('body@x.test'), text: 'x\n'.repeat(2_000_000) })
  expect(['deferred', 'unknown']).toContain(outcome)
  expect(sink.messages.filter(({ to }) => to === 'body@x.test')).toEqual([])
})

test('a server that answers a little at a time is given up at the time limit', async () => {
  sink.script('slow@x.test', { at: 'dot', reply: '250-a\r\n250-b', delayMs: 300 })
  const startedAt = performance.now()
  expect(await mailer.send(mailTo('slow@x.test'))).toMatchObject({ outcome: 'unknown' })
  expect(performance.now() - startedAt).toBeLessThan(2_000)
})

test('connections are kept for further messages', async () => {
  const before = sink.connections()
  for (let n = 0; n < 5; n += 1) await mailer.send(mailTo(`kept${n}@x.test`))
  expect(sink.connections() - before).toBeLessThanOrEqual(1)
})

test('the URL says host, port, login and TLS', () => {
  expect(connectionOf('smtp://mail.test')).toEqual({ host: 'mail.test', port: 587, secure: false, requireTLS: false })
  expect(connectionOf('smtps://u%40x:p%2F@mail.test')).toEqual({
    host: 'mail.test',
    port: 465,
    secure: true,
    requireTLS: false,
    auth: { user: 'u@x', pass: 'p/' },
  })
  expect(connectionOf('smtp://u:p@mail.test:25')).toMatchObject({ port: 25, requireTLS: true })
  expect(connectionOf('smtp://u:p@localhost:25')).toMatchObject({ requireTLS: false })
  expect(connectionOf('smtp://mail.test?tls=required')).toMatchObject({ requireTLS: true })
  expect(() => connectionOf('http://mail.test')).toThrow('smtp')
})

test('a login is not sent where the server offers no TLS, and the message waits', async () => {
  const insisting = createSmtpMailer({ ...limits, url: `${sink.url}?tls=required` })
  expect(await insisting.send(mailTo('tls@x.test'))).toMatchObject({ outcome: 'deferred' })
  expect(sink.attempts('tls@x.test')).toBe(0)
  await expect(insisting.verify()).rejects.toThrow()
  await insisting.close()
})

test.each(['implicit', 'starttls'] as const)(
  'hands over by TLS (%s), to a server whose certificate it can trust only',
  async (mode) => {
    const certificate = selfSigned('127.0.0.1')
    const secured = await createSmtpSink({ tls: { ...certificate, mode } })
    const url = mode === 'starttls' ? `${secured.url}?tls=required` : secured.url
    const trusting = createSmtpMailer({ ...limits, url, ca: certificate.cert })
    const others = createSmtpMailer({ ...limits, url })
    try {
      await trusting.verify()
      expect(await trusting.send(mailTo('tls@x.test'))).toMatchObject({ outcome: 'accepted' })
      expect(secured.messages).toMatchObject([{ to: 'tls@x.test', acknowledged: true }])
      await expect(others.verify()).rejects.toThrow(/certificate/)
      expect(await others.send(mailTo('other@x.test'))).toMatchObject({ outcome: 'deferred' })
      expect(secured.attempts('other@x.test')).toBe(0)
    } finally {
      await Promise.all([trusting.close(), others.close()])
      await secured.close()
    }
  },
)
