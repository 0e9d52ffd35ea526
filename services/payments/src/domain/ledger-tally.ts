import { formatAmount, isCurrency } from '@ashlar/kernel'
import type { Booked, ProviderRecord } from './ledger-check.ts'

/** Decimal strings in the currency's places. */
export type CurrencyBalance = {
  currency: string
  debit: string
  credit: string
  /** Charges less refunds of all that has ended: by the ledger, and by the provider's own record; null without one. */
  atProvider: { ledger: string; record: string | null }
}

type Sums = { debit: bigint; credit: bigint; clearing: bigint; record: bigint }

/** Sums up a ledger as it is read, currency by currency. */
export const createTally = () => {
  const sums = new Map<string, Sums>()
  let postings = 0
  let unbalanced = false
  let recorded = false

  const of = (currency: string): Sums => {
    const known = sums.get(currency)
    if (known) return known
    const fresh = { debit: 0n, credit: 0n, clearing: 0n, record: 0n }
    sums.set(currency, fresh)
    return fresh
  }

  return {
    /** `records`: the provider's, undefined where it offers none. */
    add: (booked: Booked, records: readonly ProviderRecord[] | undefined): void => {
      const movements = new Map<string, bigint>()
      for (const { movementId, currency, account, amountMinor } of booked.postings) {
        const sum = of(currency)
        if (amountMinor > 0n) sum.debit += amountMinor
        else sum.credit -= amountMinor
        if (account === 'provider_clearing') sum.clearing += amountMinor
        const key = `${movementId} ${currency}`
        movements.set(key, (movements.get(key) ?? 0n) + amountMinor)
        postings += 1
      }
      for (const rest of movements.values()) unbalanced ||= rest !== 0n
      if (!records) return
      recorded = true
      const ended = new Set<string>()
      if (booked.charge?.outcome != null) ended.add(booked.charge.id)
      for (const { id, status } of booked.refunds) if (status !== 'pending') ended.add(id)
      for (const { attemptId, kind, money, outcome } of records)
        if (outcome === 'succeeded' && ended.has(attemptId))
          of(money.currency).record += kind === 'charge' ? money.minor : -money.minor
    },

    result: (): { balanced: boolean; currencies: CurrencyBalance[]; postings: number } => ({
      balanced: !unbalanced && [...sums.values()].every(({ debit, credit }) => debit === credit),
      currencies: [...sums]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([currency, { debit, credit, clearing, record }]) => ({
          currency,
          debit: signed(debit, currency),
          credit: signed(credit, currency),
          atProvider: { ledger: signed(clearing, currency), record: recorded ? signed(record, currency) : null },
        })),
      postings,
    }),
  }
}

/** A posting that was tampered with may have a currency that nobody knows: its sum is then in bare units. */
const signed = (minor: bigint, currency: string): string => {
  const units = minor < 0n ? -minor : minor
  return `${minor < 0n ? '-' : ''}${isCurrency(currency) ? formatAmount({ minor: units, currency }) : units}`
}
