import type { Ashlar, Person } from '../ashlar.ts'
import { message } from '../load.ts'
import type { Served } from '../processes.ts'
import { alternate, pairedRatio } from '../rounds.ts'
import type { Figure } from '../table.ts'
import { describe, measureRound, type Round, summary } from './requests.ts'

const CLIENTS = 10
const ROUND_MS = 1_200
const ROUNDS = 5
const GOAL = 0.5

export type ValidatePeers = { fastify: Served; nginx?: Served }

/** `GET /auth/validate` through the whole gateway, a bare Fastify with the same answer, and nginx in front of that. */
export const validateFigures = async (ashlar: Ashlar, person: Person, peers: ValidatePeers): Promise<Figure[]> => {
  const request = (port: number): string =>
    message({
      method: 'GET',
      path: '/auth/validate',
      headers: { host: `localhost:${port}`, authorization: `Bearer ${person.accessToken}` },
    })
  const contestant =
    (served: Served, durationMs = ROUND_MS) =>
    (): Promise<Round> => {
      const text = request(served.port)
      const clients = Array.from({ length: CLIENTS }, () => () => text)
      return measureRound({ served, clients, durationMs, expect: 200 })
    }

  const servers = { ashlar: ashlar.served, fastify: peers.fastify, ...(peers.nginx && { nginx: peers.nginx }) }
  // What runs for the first time is compiled; a server that has been up for a minute is not that server any more.
  await contestant(ashlar.served, 4_000)()
  await contestant(peers.fastify, 2_000)()
  const rounds = await alternate(
    Object.fromEntries(Object.entries(servers).map(([name, served]) => [name, contestant(served)])),
    ROUNDS,
  )

  const own = summary(rounds.ashlar ?? [])
  return Object.entries(rounds)
    .filter(([name]) => name !== 'ashlar')
    .flatMap(([name, results]) => {
      const peer = summary(results)
      const ratio = pairedRatio(rounds.ashlar ?? [], results, ({ perSecond }) => perSecond)
      const goal = name === 'fastify' ? { goal: `≥ ${GOAL}`, reached: ratio >= GOAL } : {}
      const label = name === 'fastify' ? 'bare Fastify, same body' : 'nginx proxying that Fastify'
      const figures: Figure[] = [
        {
          what: 'GET /auth/validate, requests',
          ashlar: describe(own),
          against: `${label}: ${describe(peer)}`,
          ratio,
          ...goal,
        },
      ]
      // nginx leaves the work to the server behind it, so only its throughput compares.
      if (name === 'fastify') {
        figures.push({
          what: '… processor time per request',
          ashlar: `${Math.round(own.cpuMicros)} µs`,
          against: `${label}: ${Math.round(peer.cpuMicros)} µs`,
          ratio: pairedRatio(results, rounds.ashlar ?? [], ({ cpuMicros }) => cpuMicros),
        })
      }
      return figures
    })
}
