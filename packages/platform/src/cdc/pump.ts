import { type Catalogue, undeclared } from './catalogue.ts'
import type { Decoder, RowEvent, StreamEvent } from './decoder.ts'
import { changeId } from './identity.ts'
import { formatLsn, type Lsn } from './lsn.ts'
import type { WeightedQueue } from './queue.ts'
import type { AuditedTable, Change, Values } from './types.ts'

/** A message as it came, taken apart only when its turn has come: decoded rows take many times its place. */
export type PumpItem = { lsn: Lsn; payload: Buffer } | { idle: Lsn }

export type PumpOptions = {
  epoch: string
  queue: WeightedQueue<PumpItem>
  decoder: Decoder
  loadCatalogue: () => Promise<Catalogue>
  /** Stores changes; `through` is the end of the last transaction that is complete with them. Never rejects but to stop. */
  store: (changes: Change[], through: Lsn | undefined) => Promise<void>
  prepare?: (changes: Change[]) => void
  batchRows: number
  batchBytes: number
  /** Idle log is stored as a position, and so given back, after this much time or this much log. */
  idleMs: number
  idleBytes: bigint
  now: () => number
  /** Commit time, in milliseconds, of the oldest transaction that is not all stored, or of one before it. */
  onPending: (since: number | undefined) => void
  /** End of the last transaction seen whole, or of the idle log after it. */
  from: Lsn
}

/** Between two batches that are small. The first after a rest is stored at once. */
const PACE_MS = 15
const WORTH_STORING = 100

/**
 * Takes events from the queue, joins each change with the context of its transaction and stores in batches, in commit
 * order. A large transaction is stored in pieces: the server sends it only after its commit, and its position counts
 * only with the last piece, so after a cut it comes again as a whole and the owner knows its pieces by their ids.
 * Runs until the queue fails.
 */
export const pump = async (options: PumpOptions): Promise<never> => {
  const { queue, now } = options
  let catalogue = await options.loadCatalogue()
  const described = new Set<string>()
  let transaction: { txid: number; commitTime: string; context: unknown } | undefined
  let batch: Change[] = []
  let batchBytes = 0
  let complete = options.from
  /** Given to the store, if not yet stored. */
  let handed = options.from
  let storedAt = now()
  let begun: number | undefined

  /** One batch is stored while the next is gathered; a batch begins to be stored only when the one before is. */
  let storing: Promise<void> = Promise.resolve()
  const flush = async () => {
    const through = complete > handed ? complete : undefined
    if (batch.length === 0 && through === undefined) return
    const own = batch
    batch = []
    batchBytes = 0
    if (through !== undefined) handed = through
    options.prepare?.(own)
    await storing
    storedAt = now()
    const since = begun
    storing = options.store(own, through).then(() => options.onPending(since))
    // Whoever waits for it is told; until then it must not count as nobody's.
    storing.catch(() => {})
  }

  const handle = async (event: StreamEvent) => {
    switch (event.kind) {
      case 'begin':
        transaction = { txid: event.txid, commitTime: event.commitTime, context: null }
        begun = Date.parse(event.commitTime)
        return
      case 'context':
        if (transaction) transaction.context = parseContext(event.content)
        return
      case 'relation':
        // Described again means that the table was altered; its declaration may be another now.
        if (described.has(event.table) || !catalogue.has(event.table)) catalogue = await options.loadCatalogue()
        described.add(event.table)
        return
      case 'row':
      case 'truncate':
        if (!transaction) throw new Error('A change outside a transaction')
        for (const change of changesOf(event, { ...transaction, epoch: options.epoch, catalogue })) batch.push(change)
        return
      case 'commit':
        transaction = undefined
        complete = event.endLsn
        return
    }
  }

  for (;;) {
    const item = queue.poll()
    if (item) {
      if ('idle' in item) {
        // Everything the server had before this position was sent before it, so with nothing open all of it is here.
        if (!transaction && item.idle > complete) complete = item.idle
        continue
      }
      const event = options.decoder.decode(item.lsn, item.payload)
      if (event) await handle(event)
      batchBytes += item.payload.length
      if (batch.length >= options.batchRows || (batch.length > 0 && batchBytes >= options.batchBytes)) await flush()
      continue
    }
    // Little came since the last time: what comes within a moment costs next to nothing more. Nobody waits for it.
    const restMs = storedAt + PACE_MS - now()
    if (!transaction && batch.length > 0 && batch.length < WORTH_STORING && restMs > 0 && restMs <= PACE_MS) {
      await new Promise((resolve) => setTimeout(resolve, restMs))
      if (queue.weight() > 0) continue
    }
    const idle = now() - storedAt >= options.idleMs || complete - handed >= options.idleBytes
    if (!transaction && (batch.length > 0 || idle)) await flush()
    await storing
    if (queue.weight() > 0) continue
    if (!transaction) options.onPending(undefined)
    await queue.wait()
  }
}

const parseContext = (content: string): unknown => {
  try {
    return JSON.parse(content)
  } catch {
    // Whoever wrote this was not the unit of work; the entry says that its actor is unknown.
    return null
  }
}

type Transaction = { txid: number; commitTime: string; context: unknown; epoch: string; catalogue: Catalogue }

const changesOf = (
  event: RowEvent | Extract<StreamEvent, { kind: 'truncate' }>,
  transaction: Transaction,
): Change[] => {
  const { txid, commitTime, context, epoch, catalogue } = transaction
  const lsn = formatLsn(event.lsn)
  const make = (table: AuditedTable, operation: Change['operation'], before: Values | null, after: Values | null) => {
    const image = after ?? before ?? {}
    const key = operation === 'truncate' ? [] : table.primaryKey.map((column) => image[column] ?? null)
    const id = changeId({ epoch, txid, lsn, operation, table: table.name, key })
    return { id, operation, table, key, before, after, lsn, txid, commitTime, context }
  }
  if (event.kind === 'truncate') {
    return event.tables.map((name) => make(catalogue.get(name) ?? undeclared(name, []), 'truncate', null, null))
  }
  const columns = Object.keys(event.after ?? event.before ?? {})
  const table = catalogue.get(event.table) ?? undeclared(event.table, columns)
  return [make(table, event.operation, event.before, event.after)]
}
