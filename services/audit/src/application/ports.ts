import type { Change, Gap, Position } from '@ashlar/platform/cdc'
import type { Head } from '../domain/chain.ts'
import type { Checkpoint } from '../domain/checkpoint.ts'
import type { Entry, Link } from '../domain/entry.ts'
import type { ChainPiece, Segment } from '../domain/segment.ts'

/** The openings of one entry for one person, sealed under that person's key. */
export type SealedFields = { entryId: string; person: string; sealed: Buffer }

/** `wrapped` is null once the person was erased. */
export type PersonKey = { person: string; wrapped: Buffer | null }

/** Where a list goes on: after this entry in its order. */
export type PlaceInList = { recordedAt: string; id: string }

/** `from` inclusive, `to` exclusive. `actor` is `type:id` or a bare id. */
export type EntryFilter = {
  actor?: string
  action?: string
  entity?: string
  entityId?: string
  service?: string
  requestId?: string
  from?: string
  to?: string
}

export type EntryPage = {
  filter: EntryFilter
  order: 'newest' | 'oldest'
  after: PlaceInList | undefined
  limit: number
}

/** Somebody else wrote into the chain: the head is not what the writer knew. Nothing was stored. */
export class ChainConflict extends Error {}

/** The store has no form for something in the batch, now or ever. Nothing was stored. */
export class Unstorable extends Error {}

/**
 * Where the trail is kept. Entries are only ever added. Everything that cannot be reached throws; an `append` that
 * throws may or may not have happened.
 */
export type AuditStore = {
  /** The last entry of a chain, archived ones included; undefined while it is empty. */
  head(chain: string): Promise<Head | undefined>
  /** Those of the ids that are stored, in any chain, or were and are archived. */
  known(ids: readonly string[]): Promise<Set<string>>
  /** Those of the ids whose entries can be read, or lie in an archived segment. */
  told(ids: readonly string[]): Promise<Set<string>>
  /**
   * Entries, what is sealed beside them, and the position of their source: all or nothing.
   * Throws ChainConflict where a sequence or an id is taken, Unstorable where the store cannot hold a value.
   */
  append(batch: {
    chain: string
    links: readonly Link[]
    sealed: readonly SealedFields[]
    position?: Position
  }): Promise<void>
  position(chain: string): Promise<Position | undefined>

  lastCheckpoint(chain: string): Promise<Checkpoint | undefined>
  /** The same checkpoint again is harmless. */
  addCheckpoint(checkpoint: Checkpoint): Promise<void>

  personKeys(persons: readonly string[]): Promise<PersonKey[]>
  /** Leaves keys that exist, or were erased, as they are; answers for whom a key was added. */
  addPersonKeys(keys: readonly { person: string; wrapped: Buffer }[]): Promise<Set<string>>
  /** For good: there is no key of these persons any more, and none will be added. */
  destroyPersonKeys(persons: readonly string[]): Promise<void>

  list(page: EntryPage): Promise<Entry[]>
  sealed(entryIds: readonly string[]): Promise<SealedFields[]>

  chains(): Promise<string[]>
  /** What was archived, oldest first. */
  segments(): Promise<Segment[]>
  /** Makes room for entries of the month that holds `now` and of `ahead` more. */
  prepareMonths(now: Date, ahead: number): Promise<void>

  /** By sequence, above `after`. */
  entries(chain: string, after: number, limit: number): Promise<Entry[]>
  /** By number, above `after`. */
  checkpoints(chain: string, after: number, limit: number): Promise<Checkpoint[]>
  /** Of all chains the one that was signed last. */
  latestCheckpoints(): Promise<Checkpoint[]>
}

/** A second place for checkpoints, out of reach of whoever can write to the store. */
export type CheckpointWitness = {
  /** Durable when it resolves. */
  append(checkpoint: Checkpoint): Promise<void>
  last(chain: string): Promise<Checkpoint | undefined>
  read(chain: string): AsyncIterable<Checkpoint>
  chains(): Promise<string[]>
}

/** Takes ended months out of the store; for the role that owns the tables. */
export type MonthVault = {
  /** Names of the months in the store that ended before both times, oldest first. */
  ended(before: Date, now: Date): Promise<string[]>
  /** What a month holds of each chain. Throws where a chain has holes in it. */
  pieces(month: string): Promise<Record<string, ChainPiece>>
  /** Removes the month's entries and what is sealed beside them, and keeps the segment: all or nothing. */
  takeAway(month: string, segment: Segment): Promise<void>
}

/** Who was erased, kept apart from the store: a store that is restored from a backup knows nothing of it. */
export type ErasureList = {
  /** Durable when it resolves. */
  add(person: string, erasedAt: Date): Promise<void>
  read(): AsyncIterable<string>
}

/** What a source hands over; each resolves when it is stored for good, and may come again. */
export type ChangeSink = {
  position(): Promise<Position | undefined>
  /** A hint that these are stored next. */
  prepare(changes: readonly Change[]): void
  store(changes: readonly Change[], position: Position | undefined): Promise<void>
  gap(gap: Gap, position: Position): Promise<void>
}

export type SourceStatus = {
  /** False until reading goes on and every snapshot is through. */
  streaming: boolean
  /** Age of the oldest change that is read but not stored. */
  lagSeconds: number
  silentSeconds: number
  retainedBytes: number | undefined
  retainedShare: number | undefined
  error: string | undefined
}

/** The changes of one service's data: complete, in commit order, at least once, acknowledged only when stored. */
export type ChangeSource = {
  service: string
  start(sink: ChangeSink): void
  /** Resolves when no later change can be missed. */
  ready(): Promise<void>
  status(): SourceStatus
  /** Brings the figures of `status` that must be asked for up to date. */
  probe(): Promise<void>
  stop(): Promise<void>
}
