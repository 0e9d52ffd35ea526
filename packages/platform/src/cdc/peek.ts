import type pg from 'pg'
import { loadCatalogue } from './catalogue.ts'
import { createDecoder } from './decoder.ts'
import { parseLsn } from './lsn.ts'
import { type PumpItem, pump } from './pump.ts'
import { createWeightedQueue } from './queue.ts'
import type { Change } from './types.ts'

type PeekedRow = { lsn: string; data: Buffer }

/**
 * Every change that a second slot still holds, without consuming it: the witness that a trail is complete. The client
 * must be opened with the settings of `CANONICAL_SESSION`. Holds everything in memory.
 */
export const peekChanges = async (
  client: pg.Client,
  { slot, publication, epoch }: { slot: string; publication: string; epoch: string },
): Promise<Change[]> => {
  const { rows } = await client.query<PeekedRow>(
    `SELECT lsn::text, data FROM pg_logical_slot_peek_binary_changes(
       $1, NULL, NULL, 'proto_version', '1', 'publication_names', $2, 'messages', 'true')`,
    [slot, `"${publication}"`],
  )
  const queue = createWeightedQueue<PumpItem>({ highWater: Number.POSITIVE_INFINITY, onFull() {}, onLow() {} })
  for (const row of rows) queue.push({ lsn: parseLsn(row.lsn), payload: row.data }, 1)
  const done = new Error('The slot holds no more')
  queue.fail(done)

  const changes: Change[] = []
  await pump({
    epoch,
    queue,
    decoder: createDecoder(publication),
    from: 0n,
    now: Date.now,
    batchRows: 1000,
    batchBytes: Number.POSITIVE_INFINITY,
    idleMs: 0,
    idleBytes: 1n,
    loadCatalogue: () => loadCatalogue(client),
    onPending: () => {},
    store: async (batch) => {
      changes.push(...batch)
    },
  }).catch((error: unknown) => {
    if (error !== done) throw error
  })
  return changes
}
