import type { World } from './harness.ts'
import type { Draw } from './lives.ts'

const CURRENCIES = ['EUR', 'USD', 'JPY', 'KWD'] as const
const EXPONENTS: Record<string, number> = { EUR: 2, USD: 2, JPY: 0, KWD: 3 }
const BATCH = 5_000
const at = '2026-01-01T00:00:00.000Z'

type Row = Record<string, unknown>
type Rows = { payments: Row[]; attempts: Row[]; refunds: Row[]; operations: Row[] }

/** One payment as it stands after its life, with what the sandbox has in its own books about it. */
const past = (rows: Rows, draw: Draw, newId: () => string): void => {
  const transaction_id = newId()
  const currency = CURRENCIES[draw(4)] as string
  const minor = 1 + draw(5_000_000)
  const fate = draw(100)
  const charged = fate < 75
  const refunds: { id: string; minor: number; status: 'succeeded' | 'failed' }[] = []
  let refunded = 0
  for (let left = charged ? draw(3) : 0; left > 0 && refunded < minor && draw(2) === 0; left--) {
    const share = 1 + draw(minor - refunded)
    const status = draw(6) === 0 ? 'failed' : 'succeeded'
    refunds.push({ id: newId(), minor: share, status })
    if (status === 'succeeded') refunded += share
  }
  const exponent = EXPONENTS[currency]
  const status = charged
    ? refunded === 0
      ? 'completed'
      : refunded === minor
        ? 'refunded'
        : 'partially_refunded'
    : fate < 85
      ? 'failed'
      : fate < 92
        ? 'canceled'
        : 'pending'
  const failed = status === 'failed'
  const user_id = '01936f2e-0000-7000-8000-000000000001'
  rows.payments.push({
    transaction_id,
    user_id,
    amount_minor: minor,
    exponent,
    currency,
    method: 'credit_card',
    status,
    refunded_minor: refunded,
    refund_pending_minor: 0,
    metadata: {},
    failure_code: failed ? 'card_declined' : null,
    attempts: charged || failed ? 1 : 0,
    version: 3,
    created_at: at,
    updated_at: at,
  })
  const book = (attempt_id: string, kind: string, amount_minor: number, succeeded: boolean) =>
    rows.operations.push({
      attempt_id,
      kind,
      transaction_id,
      amount_minor,
      currency,
      outcome: succeeded ? 'succeeded' : 'declined',
      received_count: 1,
      at,
    })
  if (charged || failed) {
    const id = newId()
    rows.attempts.push({
      id,
      transaction_id,
      request_key: id,
      outcome: charged ? 'succeeded' : 'declined',
      reference: charged ? id : null,
      started_at: at,
      settled_at: at,
      posted: false,
    })
    book(id, 'charge', minor, charged)
  }
  for (const refund of refunds) {
    const succeeded = refund.status === 'succeeded'
    rows.refunds.push({
      id: refund.id,
      transaction_id,
      user_id,
      amount_minor: refund.minor,
      exponent,
      currency,
      status: refund.status,
      failure_code: succeeded ? null : 'refund_declined',
      request_key: refund.id,
      created_at: at,
      updated_at: at,
      posted: false,
    })
    book(refund.id, 'refund', refund.minor, succeeded)
  }
}

/** Writes payments of the past straight into the tables, as a release that knew no ledger has left them. */
export const writeHistory = async (
  world: Pick<World, 'payments' | 'sandboxDatabase'>,
  count: number,
  draw: Draw,
  newId: () => string,
): Promise<void> => {
  for (let done = 0; done < count; done += BATCH) {
    const rows: Rows = { payments: [], attempts: [], refunds: [], operations: [] }
    for (let each = 0; each < Math.min(BATCH, count - done); each++) past(rows, draw, newId)
    for (const table of ['payments', 'attempts', 'refunds'] as const)
      await world.payments.sql(insertInto(table), [JSON.stringify(rows[table])])
    await world.sandboxDatabase.sql(insertInto('operations'), [JSON.stringify(rows.operations)])
  }
}

const insertInto = (table: string): string =>
  `INSERT INTO ${table} SELECT * FROM json_populate_recordset(NULL::${table}, $1)`
