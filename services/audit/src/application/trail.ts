import { setTimeout as sleep } from 'node:timers/promises'
import type { Checkpoint, Signer } from '../domain/checkpoint.ts'
import type { Entry } from '../domain/entry.ts'
import { erasureId } from '../domain/erasure.ts'
import { type Anchor, followSegments, type Segment } from '../domain/segment.ts'
import type { ChainWriter } from './chain-writer.ts'
import type { OpenedFields, PersonKeys } from './person-keys.ts'
import type { AuditStore, CheckpointWitness } from './ports.ts'
import { type ExportHeader, signHeader } from './queries/export-trail.ts'
import { type Trail, type VerifyOptions, type VerifyResult, verifyTrail } from './queries/verify-trail.ts'

export type TrailDeps = {
  store: AuditStore
  witness: CheckpointWitness
  persons: PersonKeys
  /** Whether the file of an archived segment is there and unchanged. */
  intact: (segment: Segment) => Promise<boolean>
  /** The writers of this process, by chain; none where the trail is only looked at. */
  writers: () => ReadonlyMap<string, ChainWriter>
}

const PAGE = 500

/** The trail as it lies in the store, with the file as second witness. */
export const storedTrail = ({ store, witness, persons, intact, writers }: TrailDeps): Trail => ({
  async chains() {
    // A chain that is gone from the store altogether is still known to the file.
    return [...new Set([...(await store.chains()), ...(await witness.chains())])].sort()
  },
  entries: (chain) => storedEntries(store, chain),
  checkpoints: (chain) => [storedCheckpoints(store, chain), witness.read(chain)],
  signedThrough: (chain) => writers().get(chain)?.signedThrough(),
  begins: async (publicKey) => followSegments(await store.segments(), publicKey, intact),
  personalOf: (entries) => openExplained({ store, persons }, entries),
})

/** A key that is gone counts as an erasure only where the trail tells of it: else somebody took it away. */
const openExplained = async (
  { store, persons }: Pick<TrailDeps, 'store' | 'persons'>,
  entries: readonly Entry[],
): Promise<Map<string, OpenedFields>> => {
  const opened = await persons.open(entries)
  const erased = new Set([...opened.values()].flatMap((fields) => [...fields.erased]))
  if (erased.size === 0) return opened
  const told = await store.told([...erased].map(erasureId))
  for (const [id, { fields, erased: own }] of opened) {
    opened.set(id, { fields, erased: new Set([...own].filter((person) => told.has(erasureId(person)))) })
  }
  return opened
}

async function* storedEntries(store: AuditStore, chain: string): AsyncGenerator<Entry> {
  for (let after = 0; ; ) {
    const page = await store.entries(chain, after, PAGE)
    yield* page
    const last = page.at(-1)
    if (!last || page.length < PAGE) return
    after = last.sequence
  }
}

async function* storedCheckpoints(store: AuditStore, chain: string): AsyncGenerator<Checkpoint> {
  for (let after = 0; ; ) {
    const page = await store.checkpoints(chain, after, 50)
    yield* page
    const last = page.at(-1)
    if (!last || page.length < 50) return
    after = last.number
  }
}

/**
 * Verifies the stored trail. Where this process writes it, everything is signed first, and what somebody else put
 * behind a chain's end is found too.
 */
export const verifyStored = async (deps: TrailDeps, options: VerifyOptions): Promise<VerifyResult> => {
  for (const writer of deps.writers().values()) await writer.checkpoint()
  const result = await verifyTrail(storedTrail(deps), options)
  if (!result.valid) return result
  for (const [chain, writer] of deps.writers()) {
    // In this order: what the writer adds in between is not held against it.
    const stored = await deps.store.head(chain)
    const head = await writer.head()
    if (stored && stored.sequence > head.sequence) {
      return { ...result, valid: false, firstBad: { chain, sequence: head.sequence + 1, reason: 'inserted' } }
    }
  }
  return result
}

/** What an export holds: each chain up to its last checkpoint, for which the writers get a moment. */
export const exportHeader = async (
  deps: TrailDeps,
  signer: Signer,
  { waitMs, now }: { waitMs: number; now: () => number },
): Promise<ExportHeader> => {
  for (const writer of deps.writers().values()) await writer.checkpoint()
  const chains: Record<string, number> = {}
  const begins: Record<string, Anchor> = {}
  for (const { chains: pieces } of await deps.store.segments()) {
    for (const [chain, { to, hash }] of Object.entries(pieces)) begins[chain] = { sequence: to, hash }
  }
  for (const chain of await storedTrail(deps).chains()) {
    const head = (await deps.store.head(chain))?.sequence ?? 0
    for (let waited = 0; ; waited += 100) {
      chains[chain] = (await deps.store.lastCheckpoint(chain))?.to ?? 0
      // Another process may be writing: its next checkpoint is a second away.
      if ((chains[chain] ?? 0) >= head || waited >= waitMs) break
      await sleep(100)
    }
  }
  const exportedAt = new Date(now()).toISOString()
  return signHeader(signer, { exportedAt, chains, ...(Object.keys(begins).length > 0 && { begins }) })
}
