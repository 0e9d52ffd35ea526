import type pg from 'pg'
import { type Lsn, parseLsn } from './lsn.ts'
import type { GapReason, Position } from './types.ts'

export type Slot = { confirmed: Lsn; lost: boolean; retainedBytes: number; retainedShare: number | undefined }

type SlotRow = {
  wal_status: string | null
  confirmed_flush_lsn: string | null
  plugin: string | null
  retained: string | null
  limit_bytes: string
}

/** Undefined when there is no such slot in this database. */
export const readSlot = async (client: pg.Client, name: string): Promise<Slot | undefined> => {
  const { rows } = await client.query<SlotRow>(
    `SELECT wal_status, confirmed_flush_lsn::text, plugin::text,
            pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::text AS retained,
            (SELECT CASE WHEN setting::bigint < 0 THEN 0 ELSE setting::bigint * 1048576 END
               FROM pg_settings WHERE name = 'max_slot_wal_keep_size')::text AS limit_bytes
       FROM pg_replication_slots WHERE slot_name = $1 AND database = current_database()`,
    [name],
  )
  const row = rows[0]
  if (!row) return undefined
  const retainedBytes = Number(row.retained ?? 0)
  const limit = Number(row.limit_bytes)
  return {
    confirmed: row.confirmed_flush_lsn ? parseLsn(row.confirmed_flush_lsn) : 0n,
    // A slot of another plugin under our name cannot be read either.
    lost: row.wal_status === 'lost' || row.confirmed_flush_lsn === null || row.plugin !== 'pgoutput',
    retainedBytes,
    retainedShare: limit > 0 ? retainedBytes / limit : undefined,
  }
}

export type SlotVerdict =
  | { kind: 'resume' }
  | { kind: 'first'; create: boolean }
  | { kind: 'gap'; reason: GapReason; create: boolean }

/**
 * What the slot means for somebody who has stored up to `stored`. Reading goes on only in the same epoch, from a slot
 * that has kept everything after that position; anything else is a hole, because a slot silently starts at its own
 * confirmed position when asked for an earlier one.
 */
export const judgeSlot = (stored: Position | undefined, slot: Slot | undefined, epoch: string): SlotVerdict => {
  const create = !slot || slot.lost
  if (!stored) return { kind: 'first', create }
  if (stored.epoch !== epoch) return { kind: 'gap', reason: 'epoch_changed', create }
  if (!slot) return { kind: 'gap', reason: 'slot_missing', create }
  if (slot.lost) return { kind: 'gap', reason: 'slot_lost', create }
  if (slot.confirmed > parseLsn(stored.lsn)) return { kind: 'gap', reason: 'slot_advanced', create }
  return { kind: 'resume' }
}

export const dropSlot = async (client: pg.Client, name: string): Promise<void> => {
  await client.query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1', [
    name,
  ])
}

/** An identifier of the replication grammar: slots allow lower case letters, digits and underscores only. */
export const slotIdentifier = (name: string): string => {
  if (!/^[a-z0-9_]{1,63}$/.test(name)) throw new Error(`Not the name of a replication slot: ${name}`)
  return `"${name}"`
}
