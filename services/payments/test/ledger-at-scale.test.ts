import { afterAll, beforeAll, expect, test } from 'vitest'
import { createWorld, type World } from './harness.ts'
import { writeHistory } from './history.ts'
import { drawFrom, liveAll, recover } from './lives.ts'

/*
 * Of LEDGER_PAYMENTS (100,000) payments, LEDGER_LIVES (1,000) go through the use cases, the provider, deaths of their
 * process and the reconciler. The rest is written into the tables as an earlier release left it, the sandbox's books
 * beside it; its postings are made by the same code that brings such a database up to date. All are verified alike.
 */
const PAYMENTS = Number(process.env.LEDGER_PAYMENTS ?? 100_000)
const LIVES = Math.min(PAYMENTS, Number(process.env.LEDGER_LIVES ?? 1_000))
const SEED = Number(process.env.LEDGER_SEED ?? Date.now() % 1_000_000_007)

let world: World
beforeAll(async () => {
  world = await createWorld()
})
afterAll(() => world.close())

type Sum = { currency: string; debit: string; credit: string; clearing: string }

test(`after ${PAYMENTS} random payments, refunds and kills every currency sums to zero and is the sandbox's (seed ${SEED})`, async () => {
  const draw = drawFrom(SEED)
  const process = world.start({ patience: { callLimitMs: 1_000 } })
  await writeHistory(world, PAYMENTS - LIVES, draw, process.runtime.newId)
  const deaths = await liveAll(process, { lives: LIVES, workers: 8, draw })
  expect(deaths).toBeGreaterThan(LIVES / 50)
  await recover(world, draw)

  const verifier = world.start()
  const progress: number[] = []
  const verdict = await verifier.verifyLedger((checked) => progress.push(checked))
  expect(verdict).toMatchObject({ balanced: true, firstBad: null })
  expect(verdict.checked).toBeGreaterThanOrEqual(PAYMENTS - deaths)
  expect(progress.length).toBeGreaterThanOrEqual(Math.floor(PAYMENTS / 1_000))

  // The same sums by other means: SQL over the postings, and over the sandbox's own books.
  const postings = await world.payments.sql<Sum>(
    `SELECT currency, sum(amount_minor) FILTER (WHERE amount_minor > 0)::text AS debit,
       (-sum(amount_minor) FILTER (WHERE amount_minor < 0))::text AS credit,
       coalesce(sum(amount_minor) FILTER (WHERE account = 'provider_clearing'), 0)::text AS clearing
     FROM postings GROUP BY currency ORDER BY currency`,
  )
  const books = await world.sandboxDatabase.sql<{ currency: string; held: string }>(
    `SELECT currency, sum(CASE kind WHEN 'charge' THEN amount_minor ELSE -amount_minor END)::text AS held
     FROM operations WHERE outcome = 'succeeded' GROUP BY currency ORDER BY currency`,
  )
  expect(books).toEqual(postings.map(({ currency, clearing }) => ({ currency, held: clearing })))
  for (const { debit, credit } of postings) expect(debit).toBe(credit)
  const bare = (amount: string | null) => amount?.replace('.', '').replace(/^(-?)0+(?=\d)/, '$1')
  expect(
    verdict.currencies.map(({ currency, debit, credit, atProvider }) => ({
      currency,
      debit: bare(debit),
      credit: bare(credit),
      clearing: bare(atProvider.ledger),
    })),
  ).toEqual(postings)
  for (const { atProvider } of verdict.currencies) expect(atProvider.record).toBe(atProvider.ledger)

  // One movement changed by who may write to the database, in balance, and its payment and its charge with it.
  const [victim] = await world.payments.sql<{ transaction_id: string; movement_id: string }>(
    `SELECT transaction_id, movement_id FROM postings WHERE kind = 'charge' ORDER BY movement_id OFFSET $1 LIMIT 1`,
    [draw(Math.floor(PAYMENTS / 2))],
  )
  if (!victim) throw new Error('nothing was charged')
  await world.payments.sql('UPDATE postings SET amount_minor = amount_minor * 2 WHERE movement_id = $1', [
    victim.movement_id,
  ])
  await world.payments.sql('UPDATE payments SET amount_minor = amount_minor * 2 WHERE transaction_id = $1', [
    victim.transaction_id,
  ])
  const harmed = await verifier.verifyLedger()
  expect(harmed.balanced).toBe(true)
  expect(harmed.firstBad).toMatchObject({
    transactionId: victim.transaction_id,
    movementId: victim.movement_id,
    reason: 'altered',
  })
}, 600_000)
