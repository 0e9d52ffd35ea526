import { type Entry, GENESIS, hashOf, type Link, type WrittenDraft } from './entry.ts'

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
  let { sequence, hash: previousHash, recordedAt } = head
  const last = toMicros(recordedAt)
  let micros = now > last ? Number(now) : Number(last) + 1
  const format = createFormat()
  const links = drafts.map(({ draft, texts }) => {
    sequence += 1
    recordedAt = format(micros)
    micros += 1
    const entry: Entry = {
      id: draft.id,
      chain,
      sequence,
      service: draft.service,
      entity: draft.entity,
      entityId: draft.entityId,
      action: draft.action,
      before: draft.before,
      after: draft.after,
      changed: draft.changed,
      actor: draft.actor,
      context: draft.context,
      source: draft.source,
      recordedAt,
      previousHash,
      hash: '',
    }
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

/** Microseconds since the Unix epoch as RFC 3339 with six digits; the text of a second is made once. */
const createFormat = (): ((micros: number) => string) => {
  let second = Number.NaN
  let prefix = ''
  return (micros) => {
    const own = Math.floor(micros / 1_000_000)
    if (own !== second) {
      second = own
      prefix = new Date(own * 1000).toISOString().slice(0, 19)
    }
    return `${prefix}.${String(micros - own * 1_000_000).padStart(6, '0')}Z`
  }
}
