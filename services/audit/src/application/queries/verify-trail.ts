import { createPublicKey, type KeyObject } from 'node:crypto'
import { type Checkpoint, checkpointHash, isGenuine } from '../../domain/checkpoint.ts'
import { commitmentsOf, proves } from '../../domain/commitment.ts'
import type { Entry } from '../../domain/entry.ts'
import { type ArchiveVerdict, GENESIS_ANCHOR } from '../../domain/segment.ts'
import { type BadReason, verifyChain } from '../../domain/verification.ts'
import type { OpenedFields } from '../person-keys.ts'

export type VerifyResult = {
  valid: boolean
  /** Entries that were found whole. */
  checked: number
  firstBad: { chain: string; sequence: number; reason: BadReason } | null
}

/** A trail that can be walked from its beginning, wherever it lies. */
export type Trail = {
  chains(): Promise<string[]>
  entries(chain: string): AsyncIterable<Entry>
  /** As many copies of the chain's checkpoints as there are; each in any order of repeats, ascending by number. */
  checkpoints(chain: string): AsyncIterable<Checkpoint>[]
  /** Entries up to here must be signed; undefined: up to the last checkpoint, later ones only follow one another. */
  signedThrough(chain: string): number | undefined
  /** The last entry that the chain must have, where that is known from elsewhere. */
  length?: (chain: string) => number
  /** Where each chain begins, where not all of them begin at their first entry. */
  begins?: (publicKey: KeyObject) => Promise<ArchiveVerdict>
  personalOf?: (entries: readonly Entry[]) => Promise<Map<string, OpenedFields>>
}

export type VerifyOptions = { publicKey: string | KeyObject; onProgress?: (checked: number) => void }

/**
 * Walks every chain in the order of their names and answers with the first entry that is not what was written.
 * Streams: memory does not grow with the trail.
 */
export const verifyTrail = async (trail: Trail, { publicKey, onProgress }: VerifyOptions): Promise<VerifyResult> => {
  const key = typeof publicKey === 'string' ? createPublicKey(publicKey) : publicKey
  let checked = 0
  const begins = await trail.begins?.(key)
  if (begins?.bad) return { valid: false, checked, firstBad: begins.bad }
  for (const chain of await trail.chains()) {
    const before = checked
    const start = begins?.anchors.get(chain) ?? GENESIS_ANCHOR
    const length = trail.length?.(chain)
    let altered: number | undefined
    let personal = new Map<string, OpenedFields>()
    const verdict = await verifyChain({
      start,
      through: length,
      entries: inPages(trail.entries(chain), async (page) => {
        if (trail.personalOf) personal = new Map([...personal, ...(await trail.personalOf(page))])
      }),
      checkpoints: genuine(trail.checkpoints(chain), key, (from) => {
        altered = Math.min(altered ?? from, from)
      }),
      signedThrough: trail.signedThrough(chain) ?? 0,
      personalIntact: trail.personalOf && ((entry) => personalIntact(entry, personal)),
      onChecked: onProgress && ((count) => onProgress(before + count)),
    })
    checked = before + verdict.checked
    const end = start.sequence + verdict.checked
    if (!verdict.bad && end < (length ?? 0)) verdict.bad = { sequence: end + 1, reason: 'truncated' }
    const bad =
      verdict.bad ?? (altered === undefined ? null : { sequence: altered, reason: 'checkpoint_altered' as const })
    if (bad) return { valid: false, checked, firstBad: { chain, ...bad } }
  }
  return { valid: true, checked, firstBad: null }
}

/** Uses up what it looks at, so that what is remembered of a page goes with it. */
const personalIntact = (entry: Entry, opened: Map<string, OpenedFields>): boolean => {
  const commitments = commitmentsOf(entry)
  const own = opened.get(entry.id)
  opened.delete(entry.id)
  if (commitments.size === 0) return true
  return [...commitments].every(([place, commitment]) => {
    if (own?.erased.has(commitment.person)) return true
    const opening = own?.fields[place]
    return opening !== undefined && proves(entry.id, place, commitment, opening)
  })
}

const PAGE = 500

async function* inPages(
  entries: AsyncIterable<Entry>,
  prepare: (page: Entry[]) => Promise<void>,
): AsyncGenerator<Entry> {
  let page: Entry[] = []
  for await (const entry of entries) {
    page.push(entry)
    if (page.length < PAGE) continue
    await prepare(page)
    yield* page
    page = []
  }
  await prepare(page)
  yield* page
}

/**
 * One checkpoint per number out of several copies: the first that is genuine and follows the one before it. `onAltered`
 * is told where a copy is neither.
 */
async function* genuine(
  copies: AsyncIterable<Checkpoint>[],
  key: KeyObject,
  onAltered: (from: number) => void,
): AsyncGenerator<Checkpoint> {
  const readers = copies.map((copy) => ({
    iterator: copy[Symbol.asyncIterator](),
    current: undefined as Checkpoint | undefined,
  }))
  const advance = async (reader: (typeof readers)[number]) => {
    const { value, done } = await reader.iterator.next()
    reader.current = done ? undefined : value
  }
  for (const reader of readers) await advance(reader)

  let last: Checkpoint | undefined
  for (;;) {
    const waiting = readers.filter(({ current }) => current)
    if (waiting.length === 0) return
    const number = Math.min(...waiting.map(({ current }) => current?.number ?? Number.POSITIVE_INFINITY))
    let found: Checkpoint | undefined
    for (const reader of waiting) {
      while (reader.current && reader.current.number <= number) {
        const candidate = reader.current
        const repeats = last !== undefined && candidate.number <= last.number
        const follows =
          last === undefined || candidate.number !== last.number + 1 || candidate.previous === checkpointHash(last)
        if (!isGenuine(candidate, key) || !follows) onAltered(candidate.from)
        else if (!repeats) found ??= candidate
        await advance(reader)
      }
    }
    if (found) {
      last = found
      yield found
    }
  }
}
