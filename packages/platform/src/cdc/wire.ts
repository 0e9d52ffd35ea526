import type { Lsn } from './lsn.ts'

/** Microseconds between the Unix epoch and PostgreSQL's, 2000-01-01. */
const EPOCH_OFFSET = 946_684_800_000_000n

export type Frame =
  | { kind: 'data'; lsn: Lsn; payload: Buffer }
  | { kind: 'keepalive'; walEnd: Lsn; replyRequested: boolean }

/** One CopyData of the streaming replication protocol: XLogData `w` or a primary keepalive `k`. */
export const readFrame = (chunk: Buffer): Frame => {
  switch (chunk[0]) {
    case 0x77:
      return { kind: 'data', lsn: chunk.readBigUInt64BE(1), payload: chunk.subarray(25) }
    case 0x6b:
      return { kind: 'keepalive', walEnd: chunk.readBigUInt64BE(1), replyRequested: chunk[17] === 1 }
    default:
      throw new Error(`Unknown replication message ${chunk[0]}`)
  }
}

/**
 * The standby status update. `flushed` is what frees log on the server, so it is only ever what the owner has stored;
 * `received` is for the operator's eyes.
 */
export const statusUpdate = (received: Lsn, flushed: Lsn, nowMs: number, replyRequested: boolean): Buffer => {
  const message = Buffer.alloc(34)
  message[0] = 0x72
  message.writeBigUInt64BE(received, 1)
  message.writeBigUInt64BE(flushed, 9)
  message.writeBigUInt64BE(flushed, 17)
  message.writeBigInt64BE(BigInt(nowMs) * 1000n - EPOCH_OFFSET, 25)
  message[33] = replyRequested ? 1 : 0
  return message
}

/** Microseconds since the Unix epoch from PostgreSQL's. */
export const unixMicros = (micros: bigint): bigint => micros + EPOCH_OFFSET

/** RFC 3339 with six digits from microseconds since the Unix epoch. */
export const microTime = (micros: bigint): string => {
  const ms = micros / 1000n
  const rest = micros % 1000n
  return `${new Date(Number(ms)).toISOString().slice(0, -1)}${String(rest).padStart(3, '0')}Z`
}
