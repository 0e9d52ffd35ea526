import type { Position } from '@ashlar/platform/cdc'
import { EMPTY_HEAD, extend, type Head } from '../domain/chain.ts'
import { type Checkpoint, FOREIGN_WITNESS, type Signer, signCheckpoint, witnessOf } from '../domain/checkpoint.ts'
import { type Openings, protect } from '../domain/commitment.ts'
import { createTextsOf, type Draft, type WrittenDraft } from '../domain/entry.ts'
import { reduced, written } from '../domain/written.ts'
import type { PersonKeys } from './person-keys.ts'
import { type AuditStore, type CheckpointWitness, type SealedFields, Unstorable } from './ports.ts'
import { createSalts } from './salts.ts'

export type WriterLog = {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export type ChainWriterOptions = {
  chain: string
  store: AuditStore
  witness: CheckpointWitness
  persons: PersonKeys
  signer: Signer
  log: WriterLog
  /** In milliseconds. */
  now: () => number
  checkpointEntries: number
  checkpointMs: number
  maxValuesBytes: number
  /** Begins the span of storing these drafts; the answer ends it. */
  trace?: (chain: string, drafts: readonly Draft[]) => (error?: unknown) => void
  onStored?: (count: number) => void
  onCheckpoint?: (checkpoint: Checkpoint) => void
  /** The store does not hold what this writer wrote. */
  onDivergence?: () => void
}

/** Drafts that are not stored yet, without their personal values, and these sealed. */
export type Prepared = { drafts: WrittenDraft[]; sealed: SealedFields[] }

export type ChainWriter = {
  /** Everything about drafts that needs no place in the chain; may run while others are committed. */
  prepare(drafts: readonly Draft[]): Promise<Prepared>
  /** Stores them, in this order, behind the chain's end, with the position. Throws when it could not; then prepare anew. */
  commit(prepared: Prepared, position?: Position): Promise<void>
  /**
   * Both; what is stored already is left out. One that the store has no form for is stored as far as it can be, so
   * that it does not stop those behind it.
   */
  append(drafts: readonly Draft[], position?: Position): Promise<void>
  /** Signs what is not yet vouched for. */
  checkpoint(): Promise<void>
  /** The last entry that is known to be stored. */
  head(): Promise<Head>
  /** Last sequence that a checkpoint vouches for. */
  signedThrough(): number
  /** Signs what is left and ends the timer. */
  close(): Promise<void>
}

/**
 * The only writer of one chain. One call at a time extends it; a call whose outcome is not known makes the next one
 * look at the store first. What is signed are the hashes that were computed here, not what the store says they are.
 */
export const createChainWriter = (options: ChainWriterOptions): ChainWriter => {
  const { chain, store, log } = options
  let state: { head: Head; last: Checkpoint | undefined; pending: Buffer[] } | undefined
  /** Hashes of a batch of which it is not known whether it was stored. */
  let inDoubt: { from: Head; to: Head; hashes: Buffer[] } | undefined
  let unsaved: Checkpoint | undefined
  let timer: NodeJS.Timeout | undefined
  let turn: Promise<unknown> = Promise.resolve()
  let closed = false

  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work, work)
    turn = mine.catch(() => {})
    return mine
  }

  const diverged = (known: number, stored: number) => {
    log.error({ chain, from: known, to: stored }, 'The store of the trail was changed behind its writer')
    options.onDivergence?.()
  }

  /** First use: what the store holds behind the last checkpoint is still to be vouched for. */
  const open = async () => {
    const [ofStore, ofWitness] = [await store.lastCheckpoint(chain), await options.witness.last(chain)]
    await catchUp(ofWitness)
    const last = (ofWitness?.number ?? 0) > (ofStore?.number ?? 0) ? ofWitness : ofStore
    const stored = await store.head(chain)
    if ((stored?.sequence ?? 0) < (last?.to ?? 0)) {
      diverged(last?.to ?? 0, stored?.sequence ?? 0)
      // Goes on behind the signed end: the missing entries stay a hole that every verification finds.
      const head = { sequence: last?.to ?? 0, hash: last?.hash ?? '', recordedAt: last?.at ?? EMPTY_HEAD.recordedAt }
      return { head, last, pending: [] }
    }
    const pending: Buffer[] = []
    for (let sequence = last?.to ?? 0; ; ) {
      const entries = await store.entries(chain, sequence, 1000)
      for (const entry of entries) {
        while (pending.length + (last?.to ?? 0) + 1 < entry.sequence) pending.push(FOREIGN_WITNESS)
        pending.push(witnessOf(entry.hash))
        sequence = entry.sequence
      }
      if (entries.length < 1000) break
    }
    return { head: stored ?? EMPTY_HEAD, last, pending }
  }

  /** A stop between the store and the file leaves the file behind. */
  const catchUp = async (ofWitness: Checkpoint | undefined) => {
    for (let number = ofWitness?.number ?? 0; ; ) {
      const missing = await store.checkpoints(chain, number, 100)
      for (const checkpoint of missing) {
        await options.witness.append(checkpoint)
        number = checkpoint.number
      }
      if (missing.length < 100) return
    }
  }

  /** After an outcome that is not known: what of the batch in doubt is there, and is it ours. */
  const reopen = async (known: NonNullable<typeof state>, doubt: NonNullable<typeof inDoubt>) => {
    const stored = (await store.head(chain)) ?? EMPTY_HEAD
    if (stored.sequence === doubt.to.sequence && stored.hash === doubt.to.hash) {
      known.pending.push(...doubt.hashes)
      known.head = doubt.to
    } else if (stored.sequence !== doubt.from.sequence || stored.hash !== doubt.from.hash) {
      diverged(doubt.from.sequence, stored.sequence)
      for (let taken = doubt.from.sequence; taken < stored.sequence; taken += 1) known.pending.push(FOREIGN_WITNESS)
      if (stored.sequence > doubt.from.sequence) known.head = stored
    }
    return known
  }

  const opened = async () => {
    if (!state) state = await open()
    else if (inDoubt) state = await reopen(state, inDoubt)
    inDoubt = undefined
    schedule()
    return state
  }

  const schedule = () => {
    if (timer || closed || (!state?.pending.length && !unsaved)) return
    timer = setTimeout(() => {
      timer = undefined
      inTurn(seal).catch((error: Error) => {
        log.warn({ chain, error: error.message }, 'No checkpoint could be made')
        schedule()
      })
    }, options.checkpointMs)
  }

  const seal = async () => {
    const { head, last, pending } = await opened()
    if (!unsaved && pending.length > 0) {
      const at = new Date(options.now()).toISOString()
      unsaved = signCheckpoint(options.signer, last, { chain, hash: head.hash, witnesses: pending, at })
    }
    if (!unsaved || !state) return
    const checkpoint = unsaved
    await store.addCheckpoint(checkpoint)
    await options.witness.append(checkpoint)
    unsaved = undefined
    state.last = checkpoint
    state.pending = state.pending.slice(checkpoint.to - checkpoint.from + 1)
    options.onCheckpoint?.(checkpoint)
  }

  const prepare = async (drafts: readonly Draft[]): Promise<Prepared> => {
    const [salt, textsOf] = [createSalts(), createTextsOf()]
    const openings: (Openings & { entryId: string })[] = []
    const hidden: WrittenDraft[] = []
    for (const draft of await unknown(drafts)) {
      const safe = protect(draft, { salt, maxValuesBytes: options.maxValuesBytes })
      for (const { person, fields } of safe.openings) openings.push({ entryId: draft.id, person, fields })
      hidden.push(written(safe.draft, options.maxValuesBytes, textsOf))
    }
    return { drafts: hidden, sealed: await options.persons.seal(openings) }
  }

  const commit = async ({ drafts, sealed }: Prepared, position?: Position) => {
    const current = await opened()
    if (drafts.length === 0 && !position) return
    const { links, head } = extend(chain, current.head, drafts, BigInt(options.now()) * 1000n)
    const hashes = links.map(({ entry }) => witnessOf(entry.hash))
    inDoubt = { from: current.head, to: head, hashes }
    const ended = options.trace?.(
      chain,
      drafts.map(({ draft }) => draft),
    )
    try {
      await store.append({ chain, links, sealed, position })
    } catch (error) {
      ended?.(error)
      throw error
    }
    ended?.()
    inDoubt = undefined
    current.head = head
    current.pending.push(...hashes)
    options.onStored?.(links.length)
    schedule()
  }

  const commitInTurn = (prepared: Prepared, position?: Position) =>
    inTurn(async () => {
      await commit(prepared, position)
      if ((state?.pending.length ?? 0) < options.checkpointEntries) return
      // The entries are stored; a checkpoint that fails now is made up for by the timer.
      await seal().catch((error: Error) => log.warn({ chain, error: error.message }, 'No checkpoint could be made'))
    })

  /** Alone, so that whatever is wrong with it harms no other. */
  const appendSomehow = async (draft: Draft) => {
    const prepared = await prepare([draft])
    try {
      await commitInTurn(prepared)
    } catch (error) {
      if (!(error instanceof Unstorable)) throw error
      log.warn({ chain, id: draft.id, error: error.message }, 'An entry is stored without its values')
      const drafts = prepared.drafts.map((it) => written(reduced(it.draft), options.maxValuesBytes))
      await commitInTurn({ drafts, sealed: [] })
    }
  }

  const unknown = async (drafts: readonly Draft[]): Promise<Draft[]> => {
    if (drafts.length === 0) return []
    const seen = await store.known(drafts.map(({ id }) => id))
    return drafts.filter(({ id }) => {
      if (seen.has(id)) return false
      seen.add(id)
      return true
    })
  }

  return {
    prepare,
    commit: commitInTurn,
    append: async (drafts, position) => {
      try {
        await commitInTurn(await prepare(drafts), position)
      } catch (error) {
        if (!(error instanceof Unstorable)) throw error
        for (const draft of drafts) await appendSomehow(draft)
        if (position) await commitInTurn({ drafts: [], sealed: [] }, position)
      }
    },
    checkpoint: () => inTurn(seal),
    signedThrough: () => state?.last?.to ?? 0,
    head: () => inTurn(async () => (await opened()).head),
    async close() {
      closed = true
      clearTimeout(timer)
      timer = undefined
      if (state || inDoubt) await inTurn(seal).catch(() => {})
    },
  }
}
