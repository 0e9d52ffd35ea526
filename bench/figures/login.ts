import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Ashlar, Person } from '../ashlar.ts'
import { drive, message } from '../load.ts'
import { alternate, median, pairedRatio } from '../rounds.ts'
import { type Figure, rate } from '../table.ts'

const ROUND_MS = 2_500
const ROUNDS = 3
/** Ashlar's own bound on hashes that run at once; its clients are more, so that there is always one waiting. */
const HASHES_AT_ONCE = 2
const CLIENTS = 4
const GOAL = 0.9

const hashScript = join(import.meta.dirname, '../peers/hash.ts')

const rawHashRate = async (): Promise<number> => {
  const args = [hashScript, String(ROUND_MS), String(HASHES_AT_ONCE)]
  return Number((await promisify(execFile)(process.execPath, args)).stdout)
}

/** Logins of one person, each a session of its own, beside the password checks that the machine can do at all. */
export const loginFigure = async (ashlar: Ashlar, { email, password }: Person): Promise<Figure> => {
  const text = message({ method: 'POST', path: '/auth/login', body: { email, password } })
  const clients = Array.from({ length: CLIENTS }, () => () => text)
  const logins = async (): Promise<number> => {
    await ashlar.settle()
    const { requests, seconds } = await drive({ port: ashlar.served.port, clients, durationMs: ROUND_MS, expect: 200 })
    return requests / seconds
  }
  const rounds = await alternate({ logins, hashes: rawHashRate }, ROUNDS)
  const own = median(rounds.logins)
  const limit = median(rounds.hashes)
  const ratio = pairedRatio(rounds.logins, rounds.hashes, (perSecond) => perSecond)
  return {
    what: 'POST /auth/login',
    ashlar: rate(own),
    against: `argon2id alone (19 MiB, t2, p1): ${rate(limit)}`,
    ratio,
    goal: `≥ ${GOAL}`,
    reached: ratio >= GOAL,
  }
}
