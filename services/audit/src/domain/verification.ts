import { type Checkpoint, FOREIGN_WITNESS, WITNESS_BYTES, witnessOf } from './checkpoint.ts'
import { type Entry, hashOf } from './entry.ts'
import { type Anchor, GENESIS_ANCHOR } from './segment.ts'

/**
 * `edited`: another content or hash than was signed; `deleted`: not there, though later ones are; `inserted`: never
 * written by the writer; `swapped`: in the place of its neighbour; `truncated`: not there, nor anything after it;
 * `unsigned`: in a range that no genuine checkpoint vouches for; `unlinked`: does not follow the entry before it;
 * `checkpoint_altered`: the entries are whole, a stored checkpoint that begins here is not;
 * `personal_value_altered`: the entry is whole, the personal value beside it is another or missing, or its person was
 * erased without an entry that says so; `archive_missing`: moved into a file that is not there or is another.
 */
export type BadReason =
  | 'edited'
  | 'deleted'
  | 'inserted'
  | 'swapped'
  | 'truncated'
  | 'unsigned'
  | 'unlinked'
  | 'checkpoint_altered'
  | 'personal_value_altered'
  | 'archive_missing'

export type ChainVerdict = { checked: number; bad: { sequence: number; reason: BadReason } | null }

export type ChainEvidence = {
  /** What the entries follow, where they are not the whole chain. */
  start?: Anchor
  /** Last entry that is expected, where a checkpoint vouches for more than there can be. */
  through?: number
  /** In the order of their sequence. */
  entries: AsyncIterable<Entry>
  /** Genuine ones only, in the order of their range. */
  checkpoints: AsyncIterable<Checkpoint>
  /** Entries up to here must be vouched for; later ones may still wait for their checkpoint. */
  signedThrough: number
  /** For each entry that is whole: whether the personal values beside it still prove its commitments. */
  personalIntact?: (entry: Entry) => boolean
  onChecked?: (count: number) => void
}

/**
 * Walks one chain and names the first entry that is not what was written. The signed checkpoints hold the hash of
 * every entry, so the answer is exact even where all later hashes were computed anew. Holds one checkpoint and two
 * entries in memory.
 */
export const verifyChain = async (evidence: ChainEvidence): Promise<ChainVerdict> => {
  const entries = peekable(evidence.entries)
  const witness = createWitness(evidence.checkpoints)
  const { start = GENESIS_ANCHOR, through = Number.POSITIVE_INFINITY } = evidence
  let previousHash = start.hash
  let checked = 0

  for (let sequence = start.sequence + 1; ; sequence += 1) {
    const bad = (reason: BadReason): ChainVerdict => ({ checked, bad: { sequence, reason } })
    const expected = await witness.at(sequence)
    const entry = await entries.peek(0)
    if (!entry) return expected && sequence <= through ? bad('truncated') : { checked, bad: null }
    if (entry.sequence > sequence) return bad('deleted')
    if (entry.sequence < sequence) return bad('inserted')

    const computed = hashOf(entry)
    if (expected) {
      if (!expected.equals(witnessOf(computed))) {
        return bad(await howItDiffers(entry, expected, await entries.peek(1), await witness.at(sequence + 1)))
      }
      if (entry.hash !== computed) return bad('edited')
    } else {
      if (sequence <= evidence.signedThrough || (await witness.any(sequence))) return bad('unsigned')
      if (entry.hash !== computed) return bad('edited')
      if (entry.previousHash !== previousHash) return bad('unlinked')
    }
    if (evidence.personalIntact && !evidence.personalIntact(entry)) return bad('personal_value_altered')
    previousHash = computed
    checked += 1
    evidence.onChecked?.(checked)
    await entries.next()
  }
}

/** A name for what was done, as far as the stored hashes still tell; `edited` where they were all made anew. */
const howItDiffers = async (
  entry: Entry,
  expected: Buffer,
  next: Entry | undefined,
  expectedNext: Buffer | undefined,
): Promise<BadReason> => {
  if (expected.equals(FOREIGN_WITNESS)) return 'inserted'
  const stored = witnessOf(entry.hash)
  if (stored.equals(expected)) return 'edited'
  const nextHolds = next !== undefined && witnessOf(next.hash).equals(expected)
  if (expectedNext?.equals(stored)) return nextHolds ? 'swapped' : 'deleted'
  return nextHolds ? 'inserted' : 'edited'
}

type Witness = {
  /** The signed hash of this place; undefined where none is known. Asked for a place or the one after it, never back. */
  at(sequence: number): Promise<Buffer | undefined>
  /** Whether this place or any later one is vouched for. */
  any(sequence: number): Promise<boolean>
}

const createWitness = (checkpoints: AsyncIterable<Checkpoint>): Witness => {
  const rest = peekable(decoded(checkpoints))
  const inside = (range: Range | undefined, sequence: number) => {
    if (!range || sequence < range.from || sequence > range.to) return undefined
    const start = (sequence - range.from) * WITNESS_BYTES
    return range.hashes.subarray(start, start + WITNESS_BYTES)
  }
  const advance = async (sequence: number) => {
    // The one that covers the place before is kept: a look ahead must not lose it.
    for (let current = await rest.peek(0); current && current.to < sequence - 1; current = await rest.peek(0)) {
      await rest.next()
    }
  }
  return {
    async at(sequence) {
      await advance(sequence)
      return inside(await rest.peek(0), sequence) ?? inside(await rest.peek(1), sequence)
    },
    async any(sequence) {
      await advance(sequence)
      const [current, next] = [await rest.peek(0), await rest.peek(1)]
      return (current !== undefined && current.to >= sequence) || next !== undefined
    },
  }
}

type Range = { from: number; to: number; hashes: Buffer }

async function* decoded(checkpoints: AsyncIterable<Checkpoint>): AsyncGenerator<Range> {
  for await (const { from, to, witness } of checkpoints) yield { from, to, hashes: Buffer.from(witness, 'base64') }
}

type Peekable<T> = { peek(ahead: number): Promise<T | undefined>; next(): Promise<T | undefined> }

const peekable = <T>(source: AsyncIterable<T>): Peekable<T> => {
  const iterator = source[Symbol.asyncIterator]()
  const ready: T[] = []
  let done = false
  const peek = async (ahead: number): Promise<T | undefined> => {
    while (!done && ready.length <= ahead) {
      const { value, done: ended } = await iterator.next()
      if (ended) done = true
      else ready.push(value)
    }
    return ready[ahead]
  }
  return {
    peek,
    async next() {
      await peek(0)
      return ready.shift()
    },
  }
}
