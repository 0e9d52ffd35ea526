import { connect, type Socket } from 'node:net'

/**
 * One client: makes its next request, as text for the wire, from the body of the answer before it. It is told of the
 * last answer as well, so that it can go on in a later measurement.
 */
export type Client = (previousBody: string | undefined) => string

export type LoadPlan = {
  port: number
  /** Each keeps one connection and one request in flight. */
  clients: readonly Client[]
  durationMs: number
  /** The status that counts as done; every other one ends the measurement with an error. */
  expect: number
}

/** Requests at an even pace, whether or not the one before was answered, over as many connections as that takes. */
export type PacePlan = { port: number; perSecond: number; seconds: number; client: Client; expect: number }

export type Load = { requests: number; seconds: number; latenciesMs: number[] }

const CONTENT_LENGTH = /\r\ncontent-length: *(\d+)/i

/**
 * Drives a server over plain sockets, as fast as it answers, and counts whole answers. It reads only the status and
 * the length, so that it costs less than what it measures.
 */
export const drive = async ({ port, clients, durationMs, expect }: LoadPlan): Promise<Load> => {
  const latenciesMs: number[] = []
  const beganMs = performance.now()
  const endsAtMs = beganMs + durationMs
  await Promise.all(clients.map((client) => converse({ port, client, endsAtMs, expect, latenciesMs })))
  return { requests: latenciesMs.length, seconds: (performance.now() - beganMs) / 1000, latenciesMs }
}

const CONNECTIONS = 16

/** Each connection takes every sixteenth slot; one whose answer is late takes its next slot late, and is counted so. */
export const pace = async ({ port, perSecond, seconds, client, expect }: PacePlan): Promise<Load> => {
  const latenciesMs: number[] = []
  const beganMs = performance.now()
  const endsAtMs = beganMs + seconds * 1000
  const lanes = Array.from({ length: CONNECTIONS }, (_, lane) => {
    let slot = lane
    const waitMs = (): number => {
      const atMs = beganMs + (slot * 1000) / perSecond
      slot += CONNECTIONS
      return atMs - performance.now()
    }
    return converse({ port, client, endsAtMs, expect, latenciesMs, waitMs })
  })
  await Promise.all(lanes)
  return { requests: latenciesMs.length, seconds: (performance.now() - beganMs) / 1000, latenciesMs }
}

type Conversation = {
  port: number
  client: Client
  endsAtMs: number
  expect: number
  latenciesMs: number[]
  /** How long to wait before the next request. */
  waitMs?: () => number
}

const converse = ({ port, client, endsAtMs, expect, latenciesMs, waitMs }: Conversation): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true })
    let pending = ''
    let sentAtMs = 0
    const ask = (previous: string | undefined): void => {
      const pauseMs = waitMs?.() ?? 0
      if (pauseMs > 0) setTimeout(send, pauseMs, previous)
      else send(previous)
    }
    const send = (previous: string | undefined): void => {
      const next = client(previous)
      sentAtMs = performance.now()
      if (sentAtMs >= endsAtMs) socket.end()
      else socket.write(next, 'latin1')
    }
    socket.setEncoding('latin1')
    socket.on('connect', () => ask(undefined))
    socket.on('data', (chunk: string) => {
      pending = pending === '' ? chunk : pending + chunk
      const head = pending.indexOf('\r\n\r\n')
      if (head < 0) return
      const length = Number(CONTENT_LENGTH.exec(pending)?.[1] ?? 0)
      if (pending.length < head + 4 + length) return
      if (Number(pending.slice(9, 12)) !== expect) {
        socket.destroy()
        return reject(new Error(`port ${port} answered ${pending.slice(0, 600)}`))
      }
      latenciesMs.push(performance.now() - sentAtMs)
      const body = pending.slice(head + 4)
      pending = ''
      ask(body)
    })
    socket.on('error', reject)
    socket.on('close', () => resolve())
  })

export type Message = { method: string; path: string; headers?: Record<string, string>; body?: unknown }

/** The bytes of a request, as text in Latin-1; bodies are JSON and ASCII. */
export const message = ({ method, path, headers = {}, body }: Message): string => {
  const text = body === undefined ? '' : JSON.stringify(body)
  const fields = {
    host: '127.0.0.1',
    ...headers,
    ...(body !== undefined && { 'content-type': 'application/json', 'content-length': String(text.length) }),
  }
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${text}`
}
