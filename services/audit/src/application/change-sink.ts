import { uuidOf } from '@ashlar/kernel'
import type { Change, Gap, Position } from '@ashlar/platform/cdc'
import { contextOf, createAttribution, entryOfChange } from '../domain/change-entry.ts'
import type { Draft } from '../domain/entry.ts'
import type { ChainWriter, Prepared } from './chain-writer.ts'
import { type AuditStore, type ChangeSink, Unstorable } from './ports.ts'

export type ChangeSinkOptions = {
  service: string
  writer: ChainWriter
  store: AuditStore
  onGap: (gap: Gap) => void
  /** In milliseconds. */
  now: () => number
}

/** Writes what a source hands over into the chain of its service. */
export const createChangeSink = ({ service, writer, store, onGap, now }: ChangeSinkOptions): ChangeSink => {
  // Entries of a piece without a position belong to the epoch that was settled before.
  let epoch = ''
  const current = async (position: Position | undefined) => {
    if (position) epoch = position.epoch
    if (epoch === '') epoch = (await store.position(service))?.epoch ?? ''
    return epoch
  }

  const attribution = createAttribution()
  const draftsOf = (changes: readonly Change[], of: string): Draft[] =>
    changes.map((change) => entryOfChange(service, of, change, attribution(change)))
  // Used once: after a failure it is not known any more which of them are stored.
  const prepared = new WeakMap<readonly Change[], Promise<Prepared>>()

  return {
    prepare(changes) {
      if (epoch === '') return
      const work = writer.prepare(draftsOf(changes, epoch))
      work.catch(() => {})
      prepared.set(changes, work)
    },
    async position() {
      const position = await store.position(service)
      epoch = position?.epoch ?? ''
      return position
    },
    async store(changes: readonly Change[], position) {
      const of = await current(position)
      const work = prepared.get(changes)
      prepared.delete(changes)
      if (!work) return writer.append(draftsOf(changes, of), position)
      try {
        await writer.commit(await work, position)
      } catch (error) {
        if (!(error instanceof Unstorable)) throw error
        await writer.append(draftsOf(changes, of), position)
      }
    },
    async gap(gap, position) {
      epoch = position.epoch
      await writer.commit(await writer.prepare([gapEntry(service, gap, now())]), position)
      // At once: a hole must be vouched for like everything else, and before anything comes after it.
      await writer.checkpoint()
      onGap(gap)
    },
  }
}

const gapEntry = (service: string, gap: Gap, now: number): Draft => ({
  id: uuidOf(JSON.stringify(['gap', service, gap.reason, gap.previousEpoch, gap.from, gap.epoch, gap.to])),
  service,
  entity: 'trail',
  entityId: service,
  action: 'gap',
  before: { epoch: gap.previousEpoch, lsn: gap.from },
  after: { epoch: gap.epoch, lsn: gap.to, reason: gap.reason },
  changed: ['epoch', 'lsn'].filter((field) =>
    field === 'epoch' ? gap.epoch !== gap.previousEpoch : gap.to !== gap.from,
  ),
  actor: { type: 'service', id: 'audit' },
  context: contextOf({ reason: gap.reason }),
  source: { epoch: gap.epoch, lsn: gap.to, txid: null, table: null, commitTime: new Date(now).toISOString() },
  personal: [],
  keys: [],
})
