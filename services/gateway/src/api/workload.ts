import type { IncomingMessage } from 'node:http'
import { type Bounds, type Importance, overloaded } from '../domain/shedding.ts'
import type { Exchange } from './exchange.ts'

/** What the services are at work on, and whether they should be given more. */
export type Workload = {
  tooMuch(importance: Importance): boolean
  begin(exchange: Exchange): void
  end(exchange: Exchange): void
  inFlight(): number
}

/** How late the event loop is: over the last seconds, and in its present turn. */
type LoopLateness = { readonly averageMs: number; readonly turnMs: number }

/**
 * Counts a request from the moment its body is there: clients who are slow to send one, or never do, take no place of
 * those who are not.
 */
export const createWorkload = (bounds: Bounds, delay: LoopLateness): Workload => {
  let inFlight = 0
  const enter = (exchange: Exchange): void => {
    exchange.inFlight = true
    inFlight += 1
  }

  return {
    tooMuch: (importance) =>
      overloaded({ averageDelayMs: delay.averageMs, turnDelayMs: delay.turnMs, inFlight }, bounds, importance),
    begin: (exchange) => {
      const { request, response } = exchange
      if (!hasBody(request)) return enter(exchange)
      request.once('end', () => {
        if (!response.closed) enter(exchange)
      })
    },
    end: (exchange) => {
      if (exchange.inFlight) inFlight -= 1
    },
    inFlight: () => inFlight,
  }
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined ||
  (headers['content-length'] !== undefined && headers['content-length'] !== '0')
