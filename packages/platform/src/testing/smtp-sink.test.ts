import { connect } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createSmtpSink, type SmtpSink } from './smtp-sink.ts'

let sink: SmtpSink

beforeEach(async () => {
  sink = await createSmtpSink()
})
afterEach(() => sink.close())

/** Sends all lines at once, as a pipelining client may, and gives what came back until the connection ended. */
const talk = (...lines: string[]): Promise<string[]> =>
  new Promise((resolve, reject) => {
    let answer = ''
    const socket = connect(sink.port, sink.host, () => socket.write(lines.map((line) => `${line}\r\n`).join('')))
    socket.on('data', (chunk) => {
      answer += chunk
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(answer.split('\r\n').filter(Boolean)))
  })

const mailTo = (recipient: string): string[] => [
  'EHLO test',
  'MAIL FROM:<a@test>',
  `RCPT TO:<${recipient}>`,
  'DATA',
  'Subject: one',
  ' and two',
  '',
  'first',
  '..dot',
  '.',
]
const codes = (answers: string[]): string => answers.map((line) => line.slice(0, 3)).join(' ')

test('keeps a message with its envelope, its headers unfolded and its dots unstuffed', async () => {
  expect(codes(await talk(...mailTo('b@test'), 'QUIT'))).toBe('220 250 250 250 250 250 354 250 221')
  expect(sink.messages).toHaveLength(1)
  expect(sink.messages[0]).toMatchObject({ from: 'a@test', to: 'b@test', acknowledged: true })
  expect(sink.messages[0]?.headers.subject).toBe('one and two')
  expect(sink.messages[0]?.raw).toContain('first\r\n.dot\r\n')
  expect(sink.attempts('b@test')).toBe(1)
})

test('answers as scripted for that recipient and attempt, then accepts', async () => {
  sink.script('b@test', { at: 'rcpt', reply: '451 4.3.0 later' })
  const first = await talk('EHLO test', 'MAIL FROM:<a@test>', 'RCPT TO:<b@test>', 'QUIT')
  expect(codes(first)).toBe('220 250 250 250 250 451 221')
  await talk(...mailTo('b@test'), 'QUIT')
  expect(sink.attempts('b@test')).toBe(2)
  expect(sink.messages).toHaveLength(1)
})

test('a cut at DATA keeps nothing, a cut after the final dot keeps the message unacknowledged', async () => {
  sink.script('b@test', { at: 'data', cut: true }, { at: 'dot', cut: true })
  expect(codes(await talk(...mailTo('b@test'), 'QUIT'))).toBe('220 250 250 250 250 250')
  expect(sink.messages).toHaveLength(0)
  expect(codes(await talk(...mailTo('b@test'), 'QUIT'))).toBe('220 250 250 250 250 250 354')
  expect(sink.messages).toMatchObject([{ acknowledged: false }])
})

test('a slow server answers everything, each answer late', async () => {
  await sink.close()
  sink = await createSmtpSink({ replyDelayMs: 40 })
  const startedAt = performance.now()
  expect(codes(await talk(...mailTo('b@test'), 'QUIT'))).toBe('220 250 250 250 250 250 354 250 221')
  expect(performance.now() - startedAt).toBeGreaterThanOrEqual(7 * 40 - 20)
  expect(sink.messages).toHaveLength(1)
})

test('a server that goes down refuses connections and comes back on the same port', async () => {
  await sink.down()
  await expect(talk('QUIT')).rejects.toThrow('ECONNREFUSED')
  await sink.up()
  expect(codes(await talk('QUIT'))).toBe('220 221')
})
