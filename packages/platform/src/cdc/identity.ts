import { canonicalJson, type Json, uuidOf } from '@ashlar/kernel'
import type { Operation } from './types.ts'

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
