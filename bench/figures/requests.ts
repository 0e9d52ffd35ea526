import { type Client, drive } from '../load.ts'
import type { Served } from '../processes.ts'
import { median } from '../rounds.ts'

/** One round: requests per second, and processor time of the server's own process per request. */
export type Round = {
  perSecond: number
  cpuMicros: number
  /** With what was still worked off after the last answer. */
  settledMicros: number
}

export type RoundPlan = {
  served: Served
  clients: readonly Client[]
  durationMs: number
  expect: number
  /** Resolves when nothing is left to be worked off. */
  settle?: () => Promise<void>
}

export const measureRound = async ({ served, clients, durationMs, expect, settle }: RoundPlan): Promise<Round> => {
  const before = await served.cpuSeconds()
  const { requests, seconds } = await drive({ port: served.port, clients, durationMs, expect })
  const during = (await served.cpuSeconds()) - before
  await settle?.()
  const settled = (await served.cpuSeconds()) - before
  return {
    perSecond: requests / seconds,
    cpuMicros: (during / requests) * 1e6,
    settledMicros: (settled / requests) * 1e6,
  }
}

export const summary = (rounds: readonly Round[]): Round => ({
  perSecond: median(rounds.map(({ perSecond }) => perSecond)),
  cpuMicros: median(rounds.map(({ cpuMicros }) => cpuMicros)),
  settledMicros: median(rounds.map(({ settledMicros }) => settledMicros)),
})

export const describe = ({ perSecond, cpuMicros }: Pick<Round, 'perSecond' | 'cpuMicros'>): string =>
  `${Math.round(perSecond)}/s, ${Math.round(cpuMicros)} µs`
