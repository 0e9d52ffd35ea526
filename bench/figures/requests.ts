import { type Client, drive } from '../load.ts'
import type { Served } from '../processes.ts'
import { median } from '../rounds.ts'

/** One round: requests per second, and processor time of the server's own process per request. */
export type Round = { perSecond: number; cpuMicros: number }

export type RoundPlan = { served: Served; clients: readonly Client[]; durationMs: number; expect: number }

export const measureRound = async ({ served, clients, durationMs, expect }: RoundPlan): Promise<Round> => {
  const before = await served.cpuSeconds()
  const { requests, seconds } = await drive({ port: served.port, clients, durationMs, expect })
  const cpuSeconds = (await served.cpuSeconds()) - before
  return { perSecond: requests / seconds, cpuMicros: (cpuSeconds / requests) * 1e6 }
}

export const summary = (rounds: readonly Round[]): Round => ({
  perSecond: median(rounds.map(({ perSecond }) => perSecond)),
  cpuMicros: median(rounds.map(({ cpuMicros }) => cpuMicros)),
})

export const describe = ({ perSecond, cpuMicros }: Round): string =>
  `${Math.round(perSecond)}/s, ${Math.round(cpuMicros)} µs`
