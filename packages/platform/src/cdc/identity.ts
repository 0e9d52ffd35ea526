import { hash } from 'node:crypto'
import { canonicalJson, type Json } from './json.ts'
import type { Operation } from './types.ts'

/** A UUIDv8 (RFC 9562, section 5.8) made of the first 122 bits of a SHA-256. */
export const uuidOf = (text: string): string => {
  const hex = hash('sha256', text, 'hex')
  const variant = ((Number.parseInt(hex[16] as string, 16) & 0x3) | 0x8).toString(16)
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

export type ChangeIdentity = {
  epoch: string
  txid: number | null
  lsn: string
  operation: Operation
  table: string
  key: readonly Json[]
}

/**
 * Position alone is no identity (rows of one COPY share theirs), and transaction ids and positions start again after
 * a restore: only all six together are.
 */
export const changeId = ({ epoch, txid, lsn, operation, table, key }: ChangeIdentity): string =>
  uuidOf(canonicalJson([epoch, txid, lsn, operation, table, key]))
