import { exponentOf } from '@ashlar/kernel'
import { age, type Process, USER, type World } from './harness.ts'

/** A number from 0 up to, not including, `below`. */
export type Draw = (below: number) => number

/** A small seeded generator (mulberry32), so that a failing run can be repeated. */
export const drawFrom = (seed: number): Draw => {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * below)
  }
}
const pick = <T>(draw: Draw, from: readonly T[]): T => from[draw(from.length)] as T

const CURRENCIES = ['EUR', 'USD', 'JPY', 'KWD'] as const
/** What a person pays with: mostly what works. */
const SOURCES = [...Array<string>(44).fill('tok_ok'), 'tok_declined', 'tok_declined', 'tok_refund_declined'] as const
const RARE = ['tok_timeout_before_charge', 'tok_timeout_after_charge', 'tok_refund_timeout', 'tok_unavailable'] as const

/** Where a process may end: every point that the code names, before and after each commit among them. */
const DEATHS = [
  'payments.commit.before',
  'payments.commit.after',
  'payments.process.started',
  'payments.process.charged',
  'payments.process.settled',
  'payments.refund.started',
  'payments.refund.called',
  'payments.refund.settled',
] as const

/** One payment through the use cases, with whatever goes wrong on its way. A death leaves everything as it was then. */
const live = async (process: Process, draw: Draw, index: number): Promise<void> => {
  const currency = pick(draw, CURRENCIES)
  const byTransfer = draw(20) === 0
  const created = await process.createPayment({
    userId: USER,
    money: { minor: BigInt(1 + draw(5_000_000)), currency },
    method: byTransfer ? 'bank_transfer' : 'credit_card',
    source: draw(200) === 0 ? pick(draw, RARE) : pick(draw, SOURCES),
    description: null,
    metadata: {},
  })
  if (!created.ok) throw new Error('not created')
  const { transactionId, money } = created.value
  const requester = { userId: USER, permissions: [] }
  if (draw(15) === 0) return
  if (draw(20) === 0) {
    await process.cancelPayment({ requester, transactionId })
    return
  }
  if (byTransfer && draw(2) === 0) {
    await process.setStatus({ transactionId, status: 'completed', reason: 'seen on the statement' })
    return
  }
  await process.processPayment({ requester, transactionId, key: `charge ${index}` })
  for (let left = draw(3); left > 0; left--) {
    const minor = 1n + BigInt(draw(Number(money.minor)))
    const amount = draw(5) === 0 ? undefined : wire(minor, currency)
    await process.refundPayment({
      requesterId: USER,
      transactionId,
      amount,
      reason: null,
      key: `refund ${left}`,
    })
  }
}

const wire = (minor: bigint, currency: string): string => {
  const places = exponentOf(currency)
  const digits = minor.toString().padStart(places + 1, '0')
  return places === 0 ? digits : `${digits.slice(0, -places)}.${digits.slice(-places)}`
}

type Plan = { lives: number; workers: number; draw: Draw }

/** Many lives side by side, about one in ten of which its process does not survive. Answers how many deaths there were. */
export const liveAll = async (process: Process, { lives, workers, draw }: Plan): Promise<number> => {
  let next = 0
  let deaths = 0
  const work = async (): Promise<void> => {
    while (next < lives) {
      next += 1
      if (draw(10) === 0) process.runtime.faults.throwAt(pick(draw, DEATHS))
      await live(process, draw, next).catch((error: unknown) => {
        if (!(error instanceof Error) || error.name !== 'InjectedFault') throw error
        deaths += 1
      })
    }
  }
  await Promise.all(Array.from({ length: workers }, work))
  process.runtime.faults.clear()
  return deaths
}

/** What the next start does with all that was left behind, a few deaths of its own included. */
export const recover = async (world: World, draw: Draw): Promise<void> => {
  for (let round = 0; ; round++) {
    // Each round is a new process: the leases of the one before are those of a dead owner.
    const process = world.start({ patience: { callLimitMs: 2_000 } })
    await process.adopt()
    if (round < 5) process.runtime.faults.throwAt('payments.reconcile.answered', { times: 1 + draw(5) })
    await process.reconcile().catch((error: unknown) => {
      if (!(error instanceof Error) || error.name !== 'InjectedFault') throw error
    })
    let looked: number
    do looked = (await process.reconcile().catch(() => ({ looked: 1 }))).looked
    while (looked > 0)
    const open = await world.payments.sql<{ transaction_id: string }>('SELECT transaction_id FROM attempt_leases')
    await process.close()
    if (open.length === 0) return
    if (round > 50) throw new Error(`${open.length} attempts never ended`)
    // Older than the time limit of a call and its grace: what the provider does not know is voided now.
    await Promise.all(open.map(({ transaction_id }) => age(world.payments, transaction_id, 100)))
  }
}
