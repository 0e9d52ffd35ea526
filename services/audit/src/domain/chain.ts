import { GENESIS, hashOf, type Link, type WrittenDraft } from './entry.ts'

/** The end of a chain. `recordedAt` is the latest one used. */
export type Head = { sequence: number; hash: string; recordedAt: string }

export const EMPTY_HEAD: Head = { sequence: 0, hash: GENESIS, recordedAt: '1970-01-01T00:00:00.000000Z' }

/**
 * Gives drafts their place behind `head`. `now` is in microseconds since the Unix epoch; a clock that went back does
 * not take the order of the chain with it.
 */
export const extend = (
  chain: string,
  head: Head,
  drafts: readonly WrittenDraft[],
  now: bigint,
): { links: Link[]; head: Head } => {
  let { sequence, hash: previousHash } = head
  let micros = now > toMicros(head.recordedAt) ? now : toMicros(head.recordedAt) + 1n
  let recordedAt = head.recordedAt
  const links = drafts.map(({ draft: { personal: _, ...draft }, texts }) => {
    sequence += 1
    recordedAt = fromMicros(micros)
    micros += 1n
    const entry = { ...draft, chain, sequence, recordedAt, previousHash, hash: '' }
    entry.hash = hashOf(entry, texts)
    previousHash = entry.hash
    return { entry, texts }
  })
  return { links, head: { sequence, hash: previousHash, recordedAt } }
}

const toMicros = (time: string): bigint => {
  const fraction = (/\.(\d+)Z$/.exec(time)?.[1] ?? '').padEnd(6, '0').slice(0, 6)
  return BigInt(Date.parse(`${time.slice(0, 19)}Z`)) * 1000n + BigInt(fraction)
}

const fromMicros = (micros: bigint): string =>
  `${new Date(Number(micros / 1_000_000n) * 1000).toISOString().slice(0, 19)}.${String(micros % 1_000_000n).padStart(6, '0')}Z`
