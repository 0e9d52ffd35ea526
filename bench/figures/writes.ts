import { createHash, randomBytes, randomUUID } from 'node:crypto'
import type pg from 'pg'
import type { Ashlar, Person } from '../ashlar.ts'
import { type Client, message } from '../load.ts'
import type { Served } from '../processes.ts'
import { alternate, pairedRatio } from '../rounds.ts'
import type { Figure } from '../table.ts'
import { describe, measureRound, type Round, summary } from './requests.ts'

const CLIENTS = 8
const ROUND_MS = 1_500
const ROUNDS = 4

type Pair = { what: string; against: string; goal: number; expect: number; ashlar: Client[]; peer: Client[] }

const compare = async (ashlar: Ashlar, peer: Served, pair: Pair): Promise<Figure[]> => {
  const { expect } = pair
  const plan = { durationMs: ROUND_MS, expect }
  const contestants = {
    // Relay, mails and trail of a round are worked off before the next one: they must not slow the other one down.
    ashlar: (): Promise<Round> =>
      measureRound({ ...plan, served: ashlar.served, clients: pair.ashlar, settle: () => ashlar.settle() }),
    peer: (): Promise<Round> => measureRound({ ...plan, served: peer, clients: pair.peer }),
  }
  await ashlar.settle()
  await contestants.ashlar()
  await contestants.peer()
  const rounds = await alternate(contestants, ROUNDS)
  const own = summary(rounds.ashlar)
  const other = summary(rounds.peer)
  const ratio = pairedRatio(rounds.ashlar, rounds.peer, ({ perSecond }) => perSecond)
  return [
    {
      what: pair.what,
      ashlar: describe(own),
      against: `${pair.against}: ${describe(other)}`,
      ratio,
      goal: `≥ ${pair.goal}`,
      reached: ratio >= pair.goal,
    },
    {
      what: '… processor time with all that follows: relay, consumers, mail, trail',
      ashlar: `${Math.round(own.settledMicros)} µs`,
      against: `nothing follows: ${Math.round(other.settledMicros)} µs`,
    },
  ]
}

/** Each client keeps the newest token of its session, as a browser does. */
const refresher = (first: string): Client => {
  let token = first
  return (previous) => {
    if (previous !== undefined) token = (JSON.parse(previous) as { refreshToken: string }).refreshToken
    return message({ method: 'POST', path: '/auth/refresh', body: { refreshToken: token } })
  }
}

/** Rotation of refresh tokens: lock the session, consume the token, store its successor. */
export const refreshFigure = async (
  ashlar: Ashlar,
  peer: Served,
  person: Person,
  peerDatabase: pg.Client,
): Promise<Figure[]> => {
  const own: Client[] = []
  const others: Client[] = []
  for (let at = 0; at < CLIENTS; at += 1) {
    own.push(refresher((await ashlar.signIn(person)).refreshToken))
    const token = randomBytes(32).toString('base64url')
    const sessionId = randomUUID()
    await peerDatabase.query('INSERT INTO sessions VALUES ($1)', [sessionId])
    await peerDatabase.query(
      `INSERT INTO refresh_tokens (token_hash, session_id, created_at, expires_at)
       VALUES ($1, $2, now(), now() + interval '30 days')`,
      [createHash('sha256').update(token).digest(), sessionId],
    )
    others.push(refresher(token))
  }
  return compare(ashlar, peer, {
    what: 'POST /auth/refresh',
    against: 'bare Fastify + pg, the same rows',
    goal: 0.7,
    expect: 200,
    ashlar: own,
    peer: others,
  })
}

/** Creation of a payment under a key of its own: the key with its answer, the payment, its event. */
export const createPaymentFigure = (ashlar: Ashlar, peer: Served, person: Person): Promise<Figure[]> => {
  const buyer = (): string =>
    message({
      method: 'POST',
      path: '/payments/create',
      headers: { authorization: `Bearer ${person.accessToken}`, 'idempotency-key': randomUUID() },
      body: { amount: '10.00', currency: 'EUR', method: 'credit_card' },
    })
  const clients = Array.from({ length: CLIENTS }, () => buyer)
  return compare(ashlar, peer, {
    what: 'POST /payments/create',
    against: 'bare Fastify + pg, the same rows',
    goal: 0.5,
    expect: 201,
    ashlar: clients,
    peer: clients,
  })
}
