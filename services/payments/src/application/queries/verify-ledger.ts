import {
  type Booked,
  checkBooked,
  checkProvider,
  type Finding,
  type IdRange,
  type ProviderRecord,
} from '../../domain/ledger-check.ts'
import { type CurrencyBalance, createTally } from '../../domain/ledger-tally.ts'
import { postUnposted } from '../commands/post-unposted.ts'
import type { PaymentStore } from '../ports.ts'
import type { PaymentProvider } from '../provider.ts'

export type LedgerVerdict = {
  /** Debits are credits, in every movement and every currency. */
  balanced: boolean
  currencies: CurrencyBalance[]
  /** Payments that were looked at, and the postings found with them. */
  checked: number
  postings: number
  firstBad: Finding | null
}

/** `onProgress` hears now and then how many payments were looked at. */
export type VerifyLedger = (onProgress?: (checked: number) => void) => Promise<LedgerVerdict>

type Deps = {
  store: Pick<PaymentStore, 'postUnposted' | 'pageEnd' | 'booked'>
  provider: Pick<PaymentProvider, 'records'> | undefined
  /** How many are read at once (1,000 and 10,000). */
  paymentsAtOnce?: number
  recordsAtOnce?: number
}

/**
 * Reads the whole ledger beside the payments that it tells of, and beside the provider's record where it offers one.
 * Page by page in the order of the ids, each page as of one instant: memory does not grow with the ledger, and
 * payments may go on meanwhile. Goes on after the first bad one, so the sums are whole.
 */
export const verifyLedger =
  (deps: Deps): VerifyLedger =>
  async (onProgress) => {
    const { store, provider } = deps
    await postUnposted({ store })()

    const tally = createTally()
    let firstBad: Finding | undefined
    let checked = 0
    let after: string | undefined
    do {
      const { range, records } = await nextPage(deps, after)
      for (const booked of await store.booked(range)) {
        const { theirs, differs } = await compare(firstBad ? undefined : provider, booked, records, range)
        tally.add(booked, theirs)
        firstBad ??= checkBooked(booked) ?? differs
        if (booked.payment) checked += 1
      }
      // What is left is of payments that are not there.
      for (const [transactionId, foreign] of records ?? [])
        firstBad ??= checkProvider({ ...NOTHING, transactionId }, foreign, foreign)
      onProgress?.(checked)
      after = range.upTo
    } while (after !== undefined)

    return { ...tally.result(), checked, firstBad: firstBad ?? null }
  }

const NOTHING = { payment: undefined, charge: undefined, refunds: [], postings: [] } as const

type Page = { range: IdRange; records: Map<string, ProviderRecord[]> | undefined }

/** The next ids, and the provider's record of them, which must be read before the state. */
const nextPage = async (
  { store, provider, paymentsAtOnce = 1_000, recordsAtOnce = 10_000 }: Deps,
  after: string | undefined,
): Promise<Page> => {
  const range: IdRange = { after, upTo: await store.pageEnd(after, paymentsAtOnce) }
  if (!provider?.records) return { range, records: undefined }
  let found = await provider.records(range, recordsAtOnce)
  const last = found.at(-1)?.transactionId
  if (last !== undefined && found.length === recordsAtOnce) {
    // Of the last transaction there may be more than was read: the page ends before it.
    const whole = found.filter(({ transactionId }) => transactionId !== last)
    range.upTo = whole.at(-1)?.transactionId ?? last
    found = whole.length > 0 ? whole : await provider.records(range)
  }
  return { range, records: Map.groupBy(found, ({ transactionId }) => transactionId) }
}

type Compared = { theirs: ProviderRecord[] | undefined; differs: Finding | undefined }

/**
 * Takes the payment's records out of the page's. What ended after they were read is there now: they are read again
 * from `provider`, unless there is no need to know for sure.
 */
const compare = async (
  provider: Deps['provider'],
  booked: Booked,
  records: Page['records'],
  { after }: IdRange,
): Promise<Compared> => {
  const { transactionId } = booked
  if (!records) return { theirs: undefined, differs: undefined }
  const before = records.get(transactionId) ?? []
  records.delete(transactionId)
  if (!provider?.records || !checkProvider(booked, before, before)) return { theirs: before, differs: undefined }
  const again = await provider.records({ after, upTo: transactionId })
  const newest = again.filter((record) => record.transactionId === transactionId)
  return { theirs: newest, differs: checkProvider(booked, before, newest) }
}
